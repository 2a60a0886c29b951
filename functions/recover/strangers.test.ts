import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../_shared/config.ts';
import { type CloudEvent, emit, toCloudEvent } from '../_shared/events.ts';
import { writeCall } from '../_shared/runtime/call.ts';
import { writeBinary } from '../_shared/runtime/cloudevents.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { EVENT_PROOF, signEvent } from '../_shared/stage-key.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { createMetrics } from '../_shared/telemetry/metrics.ts';
import { createRecover, recoverKnobs, stage } from './index.ts';

/** What anybody in the cluster may send to recover, which has a key. */

const key = ['k'.repeat(32)];
const everybody = { tenant: 'acme', principals: ['*'] };
let database: Database;
let documents: DocumentStore;
let running: RunningStage;
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  const originals = { delete: async () => {} } as unknown as OriginalStore;
  const stores = { documents, vectors: await openPgVectors(database), originals };
  const limits = { ...readConfig(recoverKnobs, {}), redriveAfterMs: -1000, redriveAttempts: 1 };
  const publisher = { publish: async () => {} };
  const deps = createRecover(stores, limits, createMetrics());
  running = runStage(stage, deps, { log: createLogger('silent'), key, publisher }) as RunningStage;
});
afterAll(() => database?.close());

async function accepted(document: string) {
  const { version, collection } = await documents.accept({
    tenant: 'acme',
    document,
    collection: 'default',
    generation: 'g',
    title: null,
    uri: null,
    contentType: 'application/pdf',
    contentHash: document,
    bytes: 1,
    original: 'x',
    metadata: {},
    acl: ['*'],
  });
  return { document, version, collection };
}
const dead = (of: CloudEvent, body: object): CloudEvent => ({
  ...of,
  knativeerrordest: 'http://ingest',
  knativeerrorcode: 422,
  knativeerrordata: Buffer.from(JSON.stringify(body)).toString('base64'),
});
const post = (init: RequestInit) =>
  running.fetch(new Request('http://recover/', { method: 'POST', ...init }));
const stateOf = async (document: string) =>
  (await documents.version({ tenant: 'acme', document, version: 1 }))?.state;
const kept = async () => (await documents.deadLetters('acme', { limit: 10 })).items;
const FOR_GOOD = { code: 'unprocessable', detail: 'The PDF is broken.' };

test('a dead letter that no stage has said ends nobody’s document or question, and is not kept', async () => {
  const reference = await accepted('forged');
  await documents.createAnswer(everybody, 'q1', new Date(Date.now() + 60_000));
  const names = ['document.accepted', 'chunks.created', 'chunks.embedded', 'document.deleted', 'query.asked'];
  for (const name of names) {
    const about = name === 'query.asked' ? 'q1' : 'forged';
    const of = toCloudEvent('gateway', { name, subject: about, data: reference } as never, {
      tenant: 'acme',
    });
    for (const event of [of, { ...signEvent(key, of), tenant: 'acme', subject: 'other' }]) {
      const answer = await post(writeBinary(dead(event, FOR_GOOD)));
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({ code: 'unauthenticated' });
    }
  }
  expect(await stateOf('forged')).toBe('accepted');
  expect(await documents.answer(everybody, 'q1')).toMatchObject({ state: 'pending' });
  expect(await kept()).toEqual([]);
});

test('that of an event of a stage ends its document, and is kept without the proof', async () => {
  const reference = await accepted('broken');
  const said = toCloudEvent('gateway', emit('document.accepted', 'broken', reference), { tenant: 'acme' });
  expect((await post(writeBinary(dead(signEvent(key, said), FOR_GOOD)))).status).toBe(202);
  expect(await stateOf('broken')).toBe('dead_lettered');
  const [letter] = await kept();
  expect(letter?.event).toMatchObject({ id: said.id, data: reference });
  expect(JSON.stringify(letter)).not.toContain(EVENT_PROOF);
});

test('a stage with another key than the rest ends no document: it is sent off again', async () => {
  const reference = await accepted('between-keys');
  const said = toCloudEvent('gateway', emit('document.accepted', 'between-keys', reference), {
    tenant: 'acme',
  });
  const letter = dead(signEvent(key, said), { code: 'unauthenticated', detail: 'No stage has said this.' });
  expect((await post(writeBinary(letter))).status).toBe(204);
  expect(await stateOf('between-keys')).toBe('accepted');
});

test('dead letters are listed and replayed for stages alone', async () => {
  const headers = { 'content-type': 'application/json' };
  for (const input of [{ action: 'list' }, { action: 'replay' }, { action: 'reconcile' }]) {
    const body = JSON.stringify(input);
    expect((await post({ body, headers: { ...headers, 'knarr-tenant': 'acme' } })).status).toBe(401);
  }
  const call = { ...everybody, signal: new AbortController().signal };
  const answer = await post({ body: '{"action":"list"}', headers: { ...headers, ...writeCall(call, key) } });
  expect(await answer.json()).toMatchObject({ dead_letters: [{ event: { subject: 'between-keys' } }, {}] });
});

test('what anybody may send is kept as theirs, and is no document’s reason', async () => {
  const { document, version } = await accepted('slandered');
  const data = { document, version, text: 'x' };
  for (const name of ['document.submitted', 'other'] as const) {
    const of = toCloudEvent('x', { name, subject: document, data } as never, { tenant: 'acme' });
    const body = { code: 'unprocessable', detail: 'Call +1 555 0100 to have it unlocked.' };
    expect((await post(writeBinary(dead(of, body)))).status).toBe(204);
  }
  expect(await stateOf(document)).toBe('accepted');
  for (let n = 0; n < 2; n++) {
    await documents.ackOutbox((await documents.claimOutbox(1000)).map(({ id }) => id));
    const timer = toCloudEvent('timer', emit('timer.fired', 'sweep', { task: 'sweep' }), { tenant: 'x' });
    expect((await post(writeBinary(timer))).ok).toBe(true);
  }
  expect(await documents.version({ tenant: 'acme', document, version })).toMatchObject({
    state: 'dead_lettered',
    error: { code: 'stuck', message: expect.not.stringContaining('555') },
  });
});
