import { afterAll, beforeAll, expect, test } from 'vitest';
import { chunkContext, withContext } from '../_shared/chunk.ts';
import type { Drift } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { emit, toCloudEvent } from '../_shared/events.ts';
import { pointId } from '../_shared/ids.ts';
import { runStage } from '../_shared/runtime/run.ts';
import { given } from '../_shared/stores/documents/contract/fixtures.ts';
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
import { PACE } from './upkeep.ts';

const GENERATION = 'model.4.c32o4';
let database: Database;
let documents: DocumentStore;
let vectors: VectorStore;
let metrics: Metrics;
let reconcile: (repair: boolean, cursor?: string) => Promise<Drift>;
let tick: (task: 'reconcile' | 'resume' | 'sweep') => Promise<void>;
const removed: string[] = [];
let isAway = false;
const pace = { ...PACE };
let sweep: () => Promise<unknown>;
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  vectors = await openPgVectors(database);
  metrics = createMetrics();
  const originals = {
    put: async () => {},
    get: async () => undefined,
    async delete(key: string) {
      if (isAway) throw new KnarrError('unavailable', 'The store of originals is away.');
      removed.push(key);
    },
    ping: async () => {},
  };
  const limits = {
    redriveAfterMs: -1000,
    redriveAttempts: 1,
    purgeAfterMs: -1000,
    deadLetterRetentionMs: 60_000,
  };
  const deps = createRecover({ documents, vectors, originals }, limits, metrics, pace);
  const running = runStage(stage, deps, { log: createLogger('silent'), metrics });
  const { signal } = new AbortController();
  const call = { tenant: 'acme', principals: ['*'], signal };
  reconcile = async (repair, cursor) =>
    (await running.call({ action: 'reconcile', repair, cursor }, call)) as Drift;
  tick = async (task) => {
    const event = toCloudEvent('timer', emit('timer.fired', task, { task }), { tenant: 'system' });
    expect(await running.receive(event, signal)).toEqual([]);
  };
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
  const content = given('acme', document, texts.join(), { generation: GENERATION });
  const { version } = await documents.accept(content);
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
  await vectors.upsert(scope, [point]);
});

/** A comparison of a page at a time, until `work` is done. */
async function bitByBit<T>(work: () => Promise<T>): Promise<T> {
  Object.assign(pace, { pageSize: 1, callMs: 0, tickMs: 0 });
  try {
    return await work();
  } finally {
    Object.assign(pace, PACE);
  }
}
const gauge = async (name: string) =>
  Number((await metrics.text()).match(new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.e+]+)`, 'm'))?.[1]);
const missing = 'knarr_vector_store_drift\\{[^}]*kind="missing"[^}]*\\}';

/** Two collections, with a lost point, a point of nothing and one of another text, in different pages. */
async function drifted(): Promise<void> {
  const [, second] = (await indexed('f', ['one', 'two', 'three'])) as [Point, Point, Point];
  const [wrong] = (await indexed('g', ['right'])) as [Point];
  const [stray] = chunksOf(['stray']) as [StoredChunk];
  await outbox();
  await reconcile(true);
  await outbox();
  await vectors.removePoints(scope, [second.id]);
  await vectors.upsert(scope, [{ ...wrong, text: 'wrong' }, pointOf('nowhere', 1, stray)]);
  await vectors.upsert({ ...scope, collection: 'another' }, [pointOf('elsewhere', 1, stray)]);
}
const FOUND = { missing: 1, phantom: 2, duplicate: 0, wrong_hash: 1 };

test('for want of time it answers with a part, and the parts come to the whole', async () => {
  await drifted();
  const whole = await reconcile(false);
  expect(whole).toMatchObject(FOUND);
  expect(whole.next).toBeUndefined();
  await bitByBit(async () => {
    let calls = 1;
    let drift = await reconcile(false);
    for (; drift.next !== undefined; calls++) drift = await reconcile(false, drift.next);
    expect(drift).toEqual(whole);
    expect(calls).toBeGreaterThan(whole.points + whole.chunks);
  });
  for (const cursor of ['', 'x', Buffer.from('["{}"]').toString('base64url')]) {
    await expect(reconcile(false, cursor)).rejects.toMatchObject({ code: 'invalid_request' });
  }
});

test('ticks go on where the one before stopped, repair everything, and begin anew after the end', async () => {
  await drifted();
  const before = await documents.lastComparison();
  await bitByBit(async () => {
    await tick('resume');
    expect(await documents.claimComparison({ begin: false, claimMs: 0 })).toBeUndefined();
    await tick('reconcile');
    let ticks = 1;
    for (; (await documents.lastComparison())?.at.getTime() === before?.at.getTime(); ticks++) {
      // Both kinds go on; neither begins while one is unfinished.
      await tick(ticks % 2 === 0 ? 'reconcile' : 'resume');
      expect(ticks).toBeLessThan(500);
    }
    const last = await documents.lastComparison();
    // The point of another text was taken away, and is missed by then.
    expect(last?.drift).toMatchObject({ ...FOUND, missing: 2, repaired: true });
    expect(ticks).toBeGreaterThan((last?.drift?.points ?? 0) + (last?.drift?.chunks ?? 0));
    expect(await gauge(missing)).toBe(2);
    expect(await gauge('knarr_vector_store_compared_timestamp_seconds')).toBeCloseTo(
      (last?.at.getTime() ?? 0) / 1000,
      2,
    );
  });
  expect((await outbox()).map(({ subject }) => subject).sort()).toEqual(['f', 'g']);
  await tick('resume');
  expect(await documents.claimComparison({ begin: false, claimMs: 0 })).toBeUndefined();
  await tick('reconcile');
  expect((await documents.lastComparison())?.drift).toMatchObject({ phantom: 0, wrong_hash: 0 });
});

test('a tick that was killed is gone on from, by one at a time, and shows no half result', async () => {
  await drifted();
  const before = await documents.lastComparison();
  await bitByBit(async () => {
    for (let page = 0; page < 3; page++) await tick('reconcile');
    const killed = await documents.claimComparison({ begin: false, claimMs: 60_000 });
    expect(killed?.cursor).toBeDefined();
    await tick('resume');
    await tick('reconcile');
    expect(
      await documents.keepComparison('00000000-0000-4000-8000-000000000000', { cursor: 'x', claimMs: 0 }),
    ).toBe(false);
    // Nobody has gone on meanwhile; then its claim is over.
    const { claim = '', cursor } = killed ?? {};
    expect(await documents.keepComparison(claim, { cursor, claimMs: 0 })).toBe(true);
    expect(await documents.lastComparison()).toEqual(before);
  });
  await tick('resume');
  expect((await documents.lastComparison())?.drift).toMatchObject({ ...FOUND, missing: 2 });
});

test('a tick begins anew where another release has left a place that this one cannot read', async () => {
  await drifted();
  const claimed = await documents.claimComparison({ begin: true, claimMs: 60_000 });
  await documents.keepComparison(claimed?.claim ?? '', { cursor: 'of another release', claimMs: 0 });
  await tick('resume');
  expect((await documents.lastComparison())?.drift).toMatchObject({ ...FOUND, missing: 2 });
});

test('a sweep dead-letters what is without hope, and removes originals of nothing', async () => {
  const ref = { tenant: 'acme', document: 'stuck', version: 1 };
  await documents.keepOriginal('acme', 'never', 'acme/never');
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

test('a store of originals that is away keeps a sweep from nothing else', async () => {
  await documents.keepOriginal('acme', 'unneeded', 'acme/unneeded');
  removed.length = 0;
  isAway = true;
  for (const id of ['counted', 'counted-too']) await documents.accept(given('acme', id, id));
  expect(await sweep()).toMatchObject({ originals_removed: 0 });
  expect(await gauge('knarr_documents_unfinished')).toBe((await documents.queues()).unfinished);
  isAway = false;
  expect(await sweep()).toMatchObject({ originals_removed: 1 });
  expect(removed).toEqual(['acme/unneeded']);
  for (const id of ['counted', 'counted-too']) await documents.remove('acme', id);
  await outbox();
});

test('a rebuild that nobody goes on with is ended by ticks', async () => {
  await indexed('r', ['one']);
  await outbox();
  await documents.beginRebuild({ tenant: 'acme', generation: 'model.4.c64o0' });
  expect(await documents.activeIndex('acme', 'default')).toMatchObject({ rebuilding: true });
  await outbox();
  await tick('sweep');
  await tick('reconcile');
  expect((await outbox()).filter(({ data }) => 'afresh' in data)).toEqual([]);
  await bitByBit(() => tick('resume'));
  const sent = (await outbox()).map(({ subject }) => subject).sort();
  expect(sent).toContain('r');
  expect(await documents.version({ tenant: 'acme', document: 'r', version: 1 })).toMatchObject({
    state: 'accepted',
    generation: 'model.4.c64o0',
  });
  await tick('resume');
  expect(await documents.goOnRebuilding()).toEqual({ sent: 0, waits: false, more: false });
  expect(await outbox()).toEqual([]);
  // What waits to be built anew is no drift, and neither are its old points.
  expect(await reconcile(false)).toMatchObject({ ...NONE, chunks: 0 });
});
