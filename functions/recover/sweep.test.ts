import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type CloudEvent, emit } from '../_shared/events.ts';
import { runStage } from '../_shared/runtime/run.ts';
import { given } from '../_shared/stores/documents/contract/fixtures.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { stage } from './index.ts';
import { dead, openTestRecover, scope, type TestRecover, timer } from './testing.ts';

let recover: TestRecover;
let documents: DocumentStore;
/** The same with a relay of its own. */
let relaying: TestRecover['running'];
beforeAll(async () => {
  recover = await openTestRecover();
  ({ documents } = recover);
  const relay = { wake() {}, stop: async () => {} };
  relaying = runStage(stage, { ...recover.deps, relay }, { log: createLogger('silent') });
});
afterAll(() => recover?.close());

const { signal } = new AbortController();
const report = () => recover.running.call({ action: 'sweep' }, { tenant: 'acme', principals: ['*'], signal });
/** What a sweep says, after everything that waited in the outbox was lost. */
async function sweep(): Promise<CloudEvent[]> {
  await recover.outbox();
  return recover.fire('sweep');
}
const accepted = (tenant: string) => documents.accept(given(tenant, 'a'));

test('a sweep dead-letters what is without hope, and removes originals of nothing', async () => {
  const ref = { tenant: 'acme', document: 'stuck', version: 1 };
  await documents.keepOriginal('acme', 'never', 'acme/never');
  await documents.accept({
    ...{
      tenant: 'acme',
      document: 'stuck',
      collection: 'default',
      generation: scope.generation,
      title: null,
    },
    ...{ uri: null, contentType: 'text/plain', contentHash: 's', bytes: 1, original: 'acme/s' },
    ...{ metadata: {}, acl: ['*'] },
  });
  await recover.outbox();
  expect(await report()).toMatchObject({ redriven: 1, dead_lettered: 0, originals_removed: 1 });
  expect(recover.originals.removed).toEqual(['acme/never']);
  await recover.outbox();
  expect(await report()).toMatchObject({ redriven: 0, dead_lettered: 1 });
  expect(await documents.version(ref)).toMatchObject({ state: 'dead_lettered', error: { code: 'stuck' } });
  const { items } = await documents.deadLetters('acme', { limit: 10 });
  expect(items).toMatchObject([{ code: 'stuck', event: { subject: 'stuck' } }]);
  expect(await documents.replay('acme', {}, 10)).toBe(1);
  expect(await documents.version(ref)).toMatchObject({ state: 'accepted', error: null });
});

test('a store of originals that is away keeps a sweep from nothing else', async () => {
  await documents.keepOriginal('acme', 'unneeded', 'acme/unneeded');
  recover.originals.removed.length = 0;
  recover.originals.isAway = true;
  for (const id of ['counted', 'counted-too']) await documents.accept(given('acme', id, id));
  expect(await report()).toMatchObject({ originals_removed: 0 });
  expect(await recover.gauge('knarr_documents_unfinished')).toBe((await documents.queues()).unfinished);
  recover.originals.isAway = false;
  expect(await report()).toMatchObject({ originals_removed: 1 });
  expect(recover.originals.removed).toEqual(['acme/unneeded']);
  for (const id of ['counted', 'counted-too']) await documents.remove('acme', id);
  await recover.outbox();
});

test('a sweep of all tenants says of each document whose it is', async () => {
  const tenants = ['north', 'south'];
  for (const tenant of tenants) await accepted(tenant);
  await sweep();
  const failed = (await sweep()).filter(({ tenant }) => tenants.includes(tenant as string));
  expect(failed.map(({ type, tenant, partitionkey }) => [type, tenant, partitionkey]).sort()).toEqual(
    tenants.map((tenant) => ['dev.knarr.document.failed.v1', tenant, `${tenant}/a`]),
  );
  expect(new Set(failed.map(({ id }) => id)).size).toBe(2);
});

test('a timer keeps the relay awake while events wait, but not what has failed from being said', async () => {
  await accepted('hopeless');
  await sweep();
  await recover.outbox();
  await accepted('waits');
  const failed = await relaying.receive(timer('sweep'), signal);
  expect(failed.map(({ tenant }) => tenant)).toContain('hopeless');
  let isOver = false;
  const second = relaying.receive(timer('sweep'), signal).finally(() => {
    isOver = true;
  });
  const looks = vi.spyOn(documents, 'hasOutbox');
  await vi.waitUntil(() => looks.mock.calls.length > 0, 10_000);
  expect(isOver).toBe(false);
  await recover.outbox();
  expect(await second).toEqual([]);
});

test('a sweep tells how things stand', async () => {
  await accepted('waiting');
  await recover.running.receive(
    dead(emit('document.submitted', 'a', { document: 'a', text: 'text' }), 'telling'),
    signal,
  );
  await sweep();
  const text = await recover.metrics.text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(value('knarr_documents_unfinished')).toBeGreaterThanOrEqual(1);
  expect(value('knarr_documents_standing_seconds')).toBeGreaterThan(0);
  expect(value('knarr_outbox_events')).toBeGreaterThanOrEqual(1);
  expect(value('knarr_dead_letters')).toBeGreaterThanOrEqual(1);
});
