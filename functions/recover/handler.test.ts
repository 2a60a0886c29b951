import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import {
  type CloudEvent,
  type Emitted,
  EVENTS,
  type EventData,
  emit,
  toCloudEvent,
} from '../_shared/events.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { createMetrics } from '../_shared/telemetry/metrics.ts';
import type { DeadLetterPage } from './dead-letters.ts';
import type { RecoverInput, RecoverOutput } from './handler.ts';
import { createRecover, stage } from './index.ts';

let database: Database;
let documents: DocumentStore;
let running: RunningStage<RecoverInput, RecoverOutput>;
/** The same with a relay of its own. */
let relaying: typeof running;
const metrics = createMetrics();
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  const vectors = await openPgVectors(database);
  const originals = {
    put: async () => {},
    get: async () => undefined,
    delete: async () => {},
    ping: async () => {},
  };
  const limits = {
    redriveAfterMs: -1000,
    redriveAttempts: 1,
    purgeAfterMs: 60_000,
    deadLetterRetentionMs: 60_000,
  };
  const deps = createRecover({ documents, vectors, originals }, limits, metrics);
  running = runStage(stage, deps, { log: createLogger('silent') });
  const relay = { wake() {}, stop: async () => {} };
  relaying = runStage(stage, { ...deps, relay }, { log: createLogger('silent') });
});
afterAll(() => database?.close());

const PROBLEM = { status: 422, code: 'unprocessable', detail: 'The PDF is broken.' };
function dead(emitted: Emitted, tenant: string, body: unknown = PROBLEM, more: object = {}): CloudEvent {
  return {
    ...toCloudEvent('gateway', emitted, { tenant }),
    knativeerrordest: 'http://ingest.default.svc.cluster.local',
    knativeerrorcode: 422,
    knativeerrordata: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)).toString('base64'),
    ...more,
  };
}
const deliver = (event: CloudEvent) => running.receive(event, AbortSignal.timeout(10_000));
const list = async (tenant: string, page: { limit?: number; cursor?: string | undefined } = {}) =>
  (await running.call(
    { action: 'list', limit: 100, ...page },
    { tenant, principals: ['*'], signal: AbortSignal.timeout(10_000) },
  )) as z.infer<typeof DeadLetterPage>;

/** What a sweep says, after everything that waited in the outbox was lost. */
async function sweep(): Promise<CloudEvent[]> {
  await emptyOutbox();
  return deliver(timer());
}
const emptyOutbox = async () => documents.ackOutbox((await documents.claimOutbox(1000)).map(({ id }) => id));
const timer = () =>
  toCloudEvent('timer', emit('timer.fired', 'sweep', { task: 'sweep' }), { tenant: 'system' });

async function accepted(tenant: string) {
  const { document, version, collection } = await documents.accept({
    tenant,
    document: 'a',
    collection: 'default',
    generation: 'g',
    title: null,
    uri: null,
    contentType: 'application/pdf',
    contentHash: String(Math.random()),
    bytes: 1,
    original: 'x',
    metadata: {},
    acl: ['*'],
  });
  return { document, version, collection };
}

test('a dead letter is kept and listed with its reason, and its version ends with it', async () => {
  const reference = await accepted('acme');
  const event = dead(emit('document.accepted', 'a', reference), 'acme');
  const [failed] = await deliver(event);
  expect(failed).toMatchObject({
    type: 'dev.knarr.document.failed.v1',
    subject: 'a',
    data: { ...reference, code: 'unprocessable', reason: 'The PDF is broken.' },
  });
  expect(EVENTS['document.failed'].safeParse(failed?.data).success).toBe(true);
  expect(await documents.version({ tenant: 'acme', ...reference })).toMatchObject({
    state: 'dead_lettered',
    error: { code: 'unprocessable', message: 'The PDF is broken.' },
  });
  expect((await list('acme')).dead_letters).toMatchObject([
    {
      code: 'unprocessable',
      message: 'The PDF is broken.',
      destination: 'http://ingest.default.svc.cluster.local',
      event: { id: event.id, type: event.type, data: reference },
    },
  ]);
  expect((await list('other')).dead_letters).toEqual([]);
});

test('delivered again it is kept once and says the same', async () => {
  const reference = await accepted('twice');
  const event = dead(emit('document.accepted', 'a', reference), 'twice');
  const [first] = await deliver(event);
  const [second] = await deliver(event);
  expect(second?.id).toBe(first?.id);
  expect((await list('twice')).dead_letters).toHaveLength(1);
});

test('delivered again after its replay it ends nothing: the version is open again', async () => {
  const reference = await accepted('replayed');
  const event = dead(emit('document.accepted', 'a', reference), 'replayed');
  await deliver(event);
  expect(await documents.replay('replayed', {}, 10)).toBe(1);
  expect(await deliver(event)).toEqual([]);
  expect((await documents.version({ tenant: 'replayed', ...reference }))?.state).toBe('accepted');
  // It fails once more.
  const later = { ...event, time: new Date(Date.now() + 1000).toISOString() };
  expect(await deliver(later)).toHaveLength(1);
  expect((await documents.version({ tenant: 'replayed', ...reference }))?.state).toBe('dead_lettered');
});

test('a letter of a version that has ended otherwise changes nothing', async () => {
  const old = await accepted('late');
  const now = await accepted('late');
  expect(await deliver(dead(emit('document.accepted', 'a', old), 'late'))).toEqual([]);
  expect((await documents.version({ tenant: 'late', ...old }))?.state).toBe('superseded');
  expect((await documents.version({ tenant: 'late', ...now }))?.state).toBe('accepted');
});

test('a letter of a generation that the version has left is kept, and ends nothing', async () => {
  const reference = await accepted('mover');
  await documents.beginRebuild({ tenant: 'mover', collection: 'default', generation: 'new' });
  await documents.goOnRebuilding({ tenant: 'mover' });
  const batch = (generation: string) =>
    emit('chunks.created', 'a', { ...reference, generation, batch: 0, batches: 1, chunks: [] });
  expect(await deliver(dead(batch('g'), 'mover'))).toEqual([]);
  expect((await documents.version({ tenant: 'mover', ...reference }))?.state).toBe('accepted');
  expect((await list('mover')).dead_letters).toHaveLength(1);
  expect(await deliver(dead(batch('new'), 'mover'))).toHaveLength(1);
  expect((await documents.version({ tenant: 'mover', ...reference }))?.state).toBe('dead_lettered');
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
  const { signal } = new AbortController();
  await accepted('hopeless');
  await sweep();
  await emptyOutbox();
  await accepted('waits');
  const failed = await relaying.receive(timer(), signal);
  expect(failed.map(({ tenant }) => tenant)).toContain('hopeless');
  let isOver = false;
  const second = relaying.receive(timer(), signal).finally(() => {
    isOver = true;
  });
  const looks = vi.spyOn(documents, 'hasOutbox');
  await vi.waitUntil(() => looks.mock.calls.length > 0, 10_000);
  expect(isOver).toBe(false);
  await emptyOutbox();
  expect(await second).toEqual([]);
});

test('a sweep tells how things stand', async () => {
  await accepted('waiting');
  await deliver(dead(emit('document.submitted', 'a', { document: 'a', text: 'text' }), 'telling'));
  await sweep();
  const text = await metrics.text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(value('knarr_documents_unfinished')).toBeGreaterThanOrEqual(1);
  expect(value('knarr_documents_standing_seconds')).toBeGreaterThan(0);
  expect(value('knarr_outbox_events')).toBeGreaterThanOrEqual(1);
  expect(value('knarr_dead_letters')).toBeGreaterThanOrEqual(1);
});

test('a fault of our own ends its version at once: waiting mends nothing', async () => {
  const reference = await accepted('fault');
  const body = { code: 'internal', detail: 'It went wrong.' };
  expect(await deliver(dead(emit('document.accepted', 'a', reference), 'fault', body))).toHaveLength(1);
  expect(await documents.version({ tenant: 'fault', ...reference })).toMatchObject({
    state: 'dead_lettered',
    error: { code: 'internal' },
  });
});

test.each(['unavailable', 'cancelled', '', 503, 429])(
  'a failure that may pass (%j) ends a version when it was sent off again in vain',
  async (code) => {
    const tenant = `passing-${code}`;
    const reference = await accepted(tenant);
    const body = typeof code === 'string' && code !== '' ? { code, detail: 'not now' } : 'not now';
    const more = { knativeerrorcode: typeof code === 'number' ? code : 503 };
    expect(await deliver(dead(emit('document.accepted', 'a', reference), tenant, body, more))).toEqual([]);
    const ref = { tenant, ...reference };
    expect(await documents.version(ref)).toMatchObject({ state: 'accepted', error: null });
    expect((await list(tenant)).dead_letters).toMatchObject([{ message: 'not now' }]);

    const mine = (events: CloudEvent[]) => events.filter((event) => event.tenant === tenant);
    expect(mine(await sweep())).toEqual([]);
    expect(mine(await sweep())).toMatchObject([{ data: { ...reference, reason: 'not now' } }]);
    expect(await documents.version(ref)).toMatchObject({
      state: 'dead_lettered',
      error: { message: 'not now' },
    });
    expect((await list(tenant)).dead_letters).toHaveLength(1);
    expect(await documents.replay(tenant, {}, 10)).toBe(1);
    expect(await documents.version(ref)).toMatchObject({ state: 'accepted', error: null });
  },
);

test('an asynchronous question ends as failed, with problem details', async () => {
  await documents.createAnswer({ tenant: 'asking', principals: ['*'] }, 'q1', new Date(Date.now() + 60_000));
  const data: EventData<'query.asked'> = {
    query: 'q1',
    question: '?',
    principals: ['*'],
    collection: 'default',
    mode: 'hybrid',
    limit: 1,
    neighbours: 0,
    degraded: [],
    timings: {},
  };
  expect(await deliver(dead(emit('query.asked', 'q1', data), 'asking'))).toEqual([]);
  expect(await documents.answer({ tenant: 'asking', principals: ['*'] }, 'q1')).toMatchObject({
    state: 'failed',
    result: { status: 422, code: 'unprocessable', detail: 'The PDF is broken.' },
  });
});

test.each([
  [
    'a body that was cut',
    JSON.stringify(PROBLEM).slice(0, 40),
    '422',
    '{"status":422,"code":"unprocessable","de',
  ],
  ['a body that is no problem', 'upstream connect error', '422', 'upstream connect error'],
  ['no body', '', '422', 'The delivery failed without saying why.'],
  ['bytes that are no text', '\0\ufffd', '422', '\ufffd\ufffd'],
])('%s', async (name, body, code, message) => {
  await deliver(
    dead(emit('document.deleted', 'a', { document: 'a', version: 1, collection: 'c' }), name, body),
  );
  expect((await list(name)).dead_letters).toMatchObject([{ code, message }]);
});

test('an event of another kind, with data of any kind, is kept too', async () => {
  const strange: CloudEvent = {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 't',
    tenant: 'strange',
    data: [null],
  };
  await deliver({ ...strange, knativeerrordest: 'http://x' });
  const broken = toCloudEvent('x', { name: 'chunks.created', subject: 'a', data: 7 } as never, {
    tenant: 'strange',
  });
  expect(await deliver({ ...broken, knativeerrorcode: '500' })).toEqual([]);
  const { dead_letters, next } = await list('strange', { limit: 1 });
  expect(dead_letters).toHaveLength(1);
  expect((await list('strange', { limit: 1, cursor: next })).dead_letters).toHaveLength(1);
  expect(new Set([...dead_letters, ...(await list('strange')).dead_letters].map(({ code }) => code))).toEqual(
    new Set(['unknown', '500']),
  );
});

test('an event that is no dead letter is refused', async () => {
  const event = toCloudEvent(
    'x',
    emit('document.deleted', 'a', { document: 'a', version: 1, collection: 'c' }),
    {
      tenant: 'acme',
    },
  );
  await expect(deliver(event)).rejects.toMatchObject({ retryable: false });
});
