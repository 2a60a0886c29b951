import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import { type CloudEvent, EVENTS, type EventData, emit, toCloudEvent } from '../_shared/events.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { DeadLetterPage } from './dead-letters.ts';
import { dead, openTestRecover, PROBLEM, type TestRecover } from './testing.ts';

let recover: TestRecover;
let documents: DocumentStore;
beforeAll(async () => {
  recover = await openTestRecover();
  ({ documents } = recover);
});
afterAll(() => recover?.close());

const deliver = (event: CloudEvent) => recover.running.receive(event, AbortSignal.timeout(10_000));
const list = async (tenant: string, page: { limit?: number; cursor?: string | undefined } = {}) =>
  (await recover.running.call(
    { action: 'list', limit: 100, ...page },
    { tenant, principals: ['*'], signal: AbortSignal.timeout(10_000) },
  )) as z.infer<typeof DeadLetterPage>;

/** What a sweep says, after everything that waited in the outbox was lost. */
async function sweep(): Promise<CloudEvent[]> {
  await recover.outbox();
  return recover.fire('sweep');
}

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
