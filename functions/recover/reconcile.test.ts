import { afterAll, beforeAll, expect, test } from 'vitest';
import { chunkContext, withContext } from '../_shared/chunk.ts';
import type { Drift } from '../_shared/contracts.ts';
import { emit } from '../_shared/events.ts';
import { pointId } from '../_shared/ids.ts';
import { runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { StoredChunk } from '../_shared/stores/documents/records.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { createMetrics, type Metrics } from '../_shared/telemetry/metrics.ts';
import { createRecover, stage } from './index.ts';

const GENERATION = 'model.4.c32o4';
let database: Database;
let documents: DocumentStore;
let vectors: VectorStore;
let metrics: Metrics;
let reconcile: (repair: boolean) => Promise<Drift>;
const removed: string[] = [];
let sweep: () => Promise<unknown>;
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  vectors = await openPgVectors(database);
  metrics = createMetrics();
  const originals = {
    put: async () => {},
    get: async () => undefined,
    delete: async (key: string) => void removed.push(key),
    ping: async () => {},
  };
  const limits = {
    redriveAfterMs: -1000,
    redriveAttempts: 1,
    purgeAfterMs: -1000,
    deadLetterRetentionMs: 60_000,
  };
  const running = runStage(stage, createRecover({ documents, vectors, originals }, limits, metrics), {
    log: createLogger('silent'),
    metrics,
  });
  const call = { tenant: 'acme', principals: ['*'], signal: new AbortController().signal };
  reconcile = async (repair) => (await running.call({ action: 'reconcile', repair }, call)) as Drift;
  sweep = () => running.call({ action: 'sweep' }, call);
});
afterAll(() => database?.close());

const chunksOf = (texts: readonly string[]): StoredChunk[] =>
  texts.map((text, chunk) => ({ chunk, text, start: chunk, end: chunk + 1, headings: ['H'], tokens: 1 }));
const pointOf = (document: string, version: number, { chunk, text, headings }: StoredChunk): Point => ({
  id: pointId('acme', document, version, chunk, GENERATION),
  document,
  version,
  chunk,
  vector: Float32Array.of(1, 0, 0, 0),
  text: withContext(chunkContext(null, headings), text),
  metadata: {},
  acl: ['*'],
});
const scope = { tenant: 'acme', collection: 'default', generation: GENERATION, dimensions: 4 };

async function indexed(document: string, texts: readonly string[]): Promise<Point[]> {
  const { version } = await documents.accept({
    tenant: 'acme',
    document,
    collection: 'default',
    generation: GENERATION,
    title: null,
    uri: null,
    contentType: 'text/plain',
    contentHash: texts.join(),
    bytes: 1,
    original: `acme/${texts.join()}`,
    metadata: {},
    acl: ['*'],
  });
  const ref = { tenant: 'acme', document, version };
  const chunks = chunksOf(texts);
  await documents.saveChunks(ref, { title: null, chunks });
  const points = chunks.map((chunk) => pointOf(document, version, chunk));
  await vectors.upsert(scope, points);
  await documents.recordIndexed(
    ref,
    chunks.map(({ chunk }) => chunk),
  );
  await vectors.remove('acme', document, version);
  await documents.complete(ref);
  return points;
}
async function outbox() {
  const entries = await documents.claimOutbox(1000);
  await documents.ackOutbox(entries.map(({ id }) => id));
  return entries.map(({ emitted }) => emitted);
}
const NONE = { missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 };

test('stores in step show no drift, nor does a version under way', async () => {
  await indexed('a', ['one', 'two']);
  await indexed('b', ['three']);
  await documents.accept({
    ...{ tenant: 'acme', document: 'b', collection: 'default', generation: GENERATION, title: null },
    ...{ uri: null, contentType: 'text/plain', contentHash: 'new', bytes: 1, original: 'acme/new' },
    ...{ metadata: {}, acl: ['*'] },
  });
  expect(await reconcile(false)).toEqual({ ...NONE, points: 3, chunks: 2, repaired: false });
  await indexed('b', ['newer']);
  await outbox();
});

test('a lost point is missed and its document sent off again', async () => {
  const [, second] = (await indexed('a', ['one', 'two'])) as [Point, Point];
  await outbox();
  await vectors.removePoints(scope, [second.id]);
  expect(await reconcile(false)).toMatchObject({ ...NONE, missing: 1 });
  expect(await outbox()).toEqual([]);
  expect(await reconcile(true)).toMatchObject({ missing: 1 });
  expect(await outbox()).toEqual([
    emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default', again: true }),
  ]);
  expect(await metrics.text()).toMatch(/knarr_vector_store_drift\{[^}]*kind="missing"[^}]*\} 1/);
  await vectors.upsert(scope, [second]);
  expect(await reconcile(true)).toMatchObject(NONE);
});

test('points of nothing, of older versions and of failed ones are taken away', async () => {
  await indexed('c', ['old']);
  await indexed('c', ['new']);
  const [chunk] = chunksOf(['old']) as [StoredChunk];
  await vectors.upsert(scope, [pointOf('c', 1, chunk), pointOf('nowhere', 1, chunk)]);
  expect(await reconcile(true)).toMatchObject({ ...NONE, phantom: 2 });
  expect(await reconcile(true)).toMatchObject(NONE);
  expect(await vectors.count(scope)).toBe(4);
});

test('a second point of a chunk goes, the first stays', async () => {
  const [point] = (await indexed('d', ['once'])) as [Point];
  await vectors.upsert(scope, [{ ...point, id: '00000000-0000-4000-8000-000000000000' }]);
  expect(await reconcile(true)).toMatchObject({ ...NONE, duplicate: 1 });
  expect(await vectors.present(scope, [point.id])).toEqual(new Set([point.id]));
  expect(await reconcile(true)).toMatchObject(NONE);
});

test('a point of another text is made again', async () => {
  const [point] = (await indexed('e', ['right'])) as [Point];
  await outbox();
  await vectors.upsert(scope, [{ ...point, text: 'wrong' }]);
  expect(await reconcile(true)).toMatchObject({ wrong_hash: 1 });
  expect(await outbox()).toMatchObject([{ subject: 'e', data: { version: 1 } }]);
});

test('a sweep dead-letters what is without hope, and removes originals of nothing', async () => {
  const ref = { tenant: 'acme', document: 'stuck', version: 1 };
  await documents.touchOriginal('acme', 'acme/never');
  await documents.accept({
    ...{ tenant: 'acme', document: 'stuck', collection: 'default', generation: GENERATION, title: null },
    ...{ uri: null, contentType: 'text/plain', contentHash: 's', bytes: 1, original: 'acme/s' },
    ...{ metadata: {}, acl: ['*'] },
  });
  await outbox();
  expect(await sweep()).toMatchObject({ redriven: 1, dead_lettered: 0, originals_removed: 1 });
  expect(removed).toEqual(['acme/never']);
  await outbox();
  expect(await sweep()).toMatchObject({ redriven: 0, dead_lettered: 1 });
  expect(await documents.version(ref)).toMatchObject({ state: 'dead_lettered', error: { code: 'stuck' } });
  const { items } = await documents.deadLetters('acme', { limit: 10 });
  expect(items).toMatchObject([{ code: 'stuck', event: { subject: 'stuck' } }]);
  expect(await documents.replay('acme', {}, 10)).toBe(1);
  expect(await documents.version(ref)).toMatchObject({ state: 'accepted', error: null });
});
