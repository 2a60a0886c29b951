import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FetchInput, FetchOutput } from '../_shared/contracts.ts';
import { type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { stage } from './index.ts';

let database: Database;
let documents: DocumentStore;
let running: RunningStage<FetchInput, FetchOutput>;
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  running = runStage(stage, { documents }, { log: createLogger('silent') });
});
afterAll(() => database?.close());

/** An indexed document of one chunk for each text. */
async function indexed(document: string, texts: string[], acl = ['*']): Promise<number> {
  const { version } = await documents.accept({
    tenant: 'acme',
    document,
    collection: 'default',
    generation: 'g',
    title: document,
    uri: null,
    contentType: 'text/plain',
    contentHash: texts.join(),
    bytes: 1,
    original: 'x',
    metadata: {},
    acl,
  });
  const ref = { tenant: 'acme', document, version };
  let end = 0;
  const chunks = texts.map((text, chunk) => {
    const start = end;
    end += text.length;
    return { chunk, text, start, end, headings: [], tokens: 1 };
  });
  await documents.saveChunks(ref, { title: null, chunks });
  await documents.recordIndexed(
    ref,
    texts.map((_, chunk) => chunk),
  );
  await documents.complete(ref);
  return version;
}

const hit = (document: string, version: number, chunk = 0, score = 1) => ({
  document,
  version,
  chunk,
  score,
});
const call = (principals = ['*'], tenant = 'acme') => ({
  tenant,
  principals,
  signal: AbortSignal.timeout(10_000),
});

test('an updated, deleted or foreign document is dropped', async () => {
  const old = await indexed('updated', ['before']);
  const now = await indexed('updated', ['after']);
  const gone = await indexed('gone', ['gone']);
  await documents.remove('acme', 'gone');
  const secret = await indexed('secret', ['for ann'], ['user:ann']);
  const hits = [hit('updated', old), hit('updated', now), hit('gone', gone), hit('secret', secret)];
  const texts = async (principals?: string[], tenant?: string) => {
    const { passages, dropped } = await running.call({ hits, neighbours: 0 }, call(principals, tenant));
    return [...passages.map(({ text }) => text), dropped];
  };
  expect(await texts()).toEqual(['after', 3]);
  expect(await texts(['*', 'user:ann'])).toEqual(['after', 'for ann', 2]);
  expect(await texts(['*', 'user:ann'], 'other')).toEqual([4]);
});

test('input that breaks the contract is refused', async () => {
  const input = { hits: [{ document: 'a', version: 0, chunk: -1, score: 1 }], neighbours: 6 };
  await expect(running.call(input, call())).rejects.toMatchObject({ code: 'invalid_request' });
});

async function ground(asked: Partial<EventData<'query.matched'>>): Promise<EventData<'query.grounded'>> {
  const data: EventData<'query.matched'> = {
    query: 'q1',
    question: 'Where?',
    collection: 'default',
    mode: 'hybrid',
    limit: 10,
    neighbours: 0,
    principals: ['*'],
    degraded: [],
    timings: { embed: 1 },
    hits: [],
    ...asked,
  };
  const event = toCloudEvent('search', emit('query.matched', 'q1', data), { tenant: 'acme' });
  const [grounded, ...more] = await running.receive(event, AbortSignal.timeout(10_000));
  expect(more).toEqual([]);
  expect(grounded).toMatchObject({ type: 'dev.knarr.query.grounded.v1', subject: 'q1', tenant: 'acme' });
  expect(Buffer.byteLength(JSON.stringify(grounded))).toBeLessThan(MAX_EVENT_BYTES);
  return grounded?.data as EventData<'query.grounded'>;
}

test("an event's principals decide, not the delivery's", async () => {
  const version = await indexed('ours', ['for bob'], ['user:bob']);
  expect((await ground({ hits: [hit('ours', version)] })).passages).toEqual([]);
  const grounded = await ground({ hits: [hit('ours', version)], principals: ['user:bob'] });
  expect(grounded.passages).toMatchObject([{ text: 'for bob' }]);
  expect(Object.keys(grounded.timings)).toEqual(['embed', 'fetch']);
  expect(grounded.degraded).toEqual([]);
});

test('hits that are not current, and may hide others, are named', async () => {
  const version = await indexed('current', ['one']);
  const stale = (count: number) =>
    Array.from({ length: count }, (_, chunk) => hit('current', version + 1, chunk));
  const ask = async (count: number) => ground({ hits: [...stale(count), hit('current', version)], limit: 2 });
  expect(await ask(5)).toMatchObject({ degraded: [], passages: [{ text: 'one' }] });
  expect(await ask(6)).toMatchObject({ degraded: ['search.stale'], passages: [{ text: 'one' }] });
});

test('an event stays small: what does not fit is left out from the end, and named', async () => {
  const version = await indexed(
    'long',
    Array.from({ length: 40 }, (_, i) => `${i} ${'"\u0001ä'.repeat(400)}`),
  );
  const hits = Array.from({ length: 40 }, (_, chunk) => hit('long', version, chunk, 1 / (chunk + 1)));
  const grounded = await ground({ hits, limit: 40 });
  expect(grounded.passages.length).toBeGreaterThan(3);
  expect(grounded.passages.length).toBeLessThan(40);
  expect(grounded.passages.map(({ chunk }) => chunk)).toEqual(grounded.passages.map((_, i) => i));
  expect(grounded.degraded).toEqual(['fetch.truncated']);
});

test('no more passages than were asked for', async () => {
  const version = await indexed('three', ['one', 'two', 'three']);
  const hits = [0, 1, 2].map((chunk) => hit('three', version, chunk));
  expect((await ground({ hits, limit: 2 })).passages).toHaveLength(2);
});
