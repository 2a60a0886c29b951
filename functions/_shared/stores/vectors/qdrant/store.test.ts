import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cranfield } from '../../../../../test/support/cranfield.ts';
import { type FaultyProxy, faultyProxy } from '../../../../../test/support/faulty-proxy.ts';
import { freePort } from '../../../../../test/support/ports.ts';
import {
  dropCollections,
  qdrantMissing,
  qdrantSettings,
  type TestQdrant,
  testQdrant,
} from '../../../../../test/support/qdrant.ts';
import { pointId } from '../../../ids.ts';
import type { Caller } from '../../../stage.ts';
import type { Database } from '../../sql/database.ts';
import { openPGlite } from '../../sql/pglite.ts';
import { vectorStoreContract } from '../contract.ts';
import { type Analyzer, postgresAnalyzer } from '../lexical/analyzer.ts';
import { openPgVectors } from '../pg.ts';
import type { Point, VectorScope, VectorStore } from '../port.ts';
import { openQdrantVectors } from './store.ts';

const scope: VectorScope = { tenant: 't', collection: 'c', generation: 'g', dimensions: 2 };
const caller: Caller = { tenant: 't', principals: ['*'] };
const point = (document: string, more: Partial<Point> = {}): Point => ({
  id: pointId('t', document, 1, 0, 'g'),
  ...{ document, version: 1, chunk: 0, vector: new Float32Array([1, 0]), text: document },
  ...{ metadata: {}, acl: ['*'] },
  ...more,
});
const dense = { mode: 'dense', vector: new Float32Array([1, 0]), limit: 10 } as const;
/** Words as they are. */
const plain: Analyzer = async (texts) =>
  texts.map(
    (text) =>
      new Map(
        text
          .split(/\s+/)
          .filter(Boolean)
          .map((word) => [word, 1]),
      ),
  );

test('a server that is not there is unavailable, whatever is asked, and opening asks nothing', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const store = openQdrantVectors(qdrantSettings(url, { KNARR_QDRANT_TIMEOUT: '5s' }), plain);
  const away = { code: 'unavailable', message: expect.stringContaining('QDRANT_URL') };
  await expect(store.ping()).rejects.toMatchObject(away);
  await expect(store.upsert(scope, [point('a')])).rejects.toMatchObject(away);
  await expect(store.search(scope, caller, dense)).rejects.toMatchObject(away);
  await expect(store.remove('t', 'a')).rejects.toMatchObject(away);
  const late = { ...caller, deadline: Date.now() - 1 };
  await expect(store.search(scope, late, dense)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  const gone = { ...caller, signal: AbortSignal.abort() };
  await expect(store.search(scope, gone, dense)).rejects.toMatchObject({ code: 'cancelled' });
});

const missing = qdrantMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  let server: TestQdrant;
  let database: Database;
  const used: string[] = [];
  beforeAll(async () => {
    [server, database] = await Promise.all([testQdrant(), openPGlite()]);
  });
  afterAll(async () => {
    if (server) for (const prefix of used) await dropCollections(server.url, prefix);
    await Promise.all([server?.stop(), database?.close()]);
  });

  function open(env: Record<string, string> = {}, url = server.url, analyze = plain): VectorStore {
    const settings = qdrantSettings(url, env);
    used.push(settings.qdrantPrefix);
    return openQdrantVectors(settings, analyze);
  }
  /** Qdrant's own view, past the adapter. */
  async function ask(method: string, path: string, body?: object): Promise<any> {
    const response = await fetch(server.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const { result } = (await response.json()) as { result: unknown };
    return result;
  }
  const aliases = async () =>
    ((await ask('GET', '/aliases')).aliases as { alias_name: string; collection_name: string }[]).filter(
      ({ alias_name }) => alias_name.startsWith(`${used.at(-1)}.`),
    );

  for (const [quantization, dimensions, oversampling] of [
    ['int8', 32, 2],
    // A bit for each dimension tells neighbours apart that lie as close as random ones only among many candidates.
    ['binary', 256, 20],
    ['none', 32, 1],
  ] as const) {
    vectorStoreContract(
      `Qdrant, ${quantization}`,
      async () => {
        const knobs = {
          KNARR_QDRANT_QUANTIZATION: quantization,
          KNARR_QDRANT_OVERSAMPLING: String(oversampling),
        };
        const store = open(knobs, server.url, postgresAnalyzer(database));
        return { store, close: () => store.close() };
      },
      { dimensions },
    );
  }

  test('a generation is a collection behind an alias, made as the knobs say', async () => {
    const store = open({
      KNARR_QDRANT_SHARDS: '2',
      KNARR_QDRANT_QUANTIZATION: 'binary',
      KNARR_QDRANT_RANGE_FIELDS: 'year, a"b',
    });
    // Several processes at once, on an empty server.
    await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) =>
        store.upsert({ ...scope, collection: name }, [point(name, { id: pointId('t', name, 1, 0, 'g') })]),
      ),
    );
    const [one, ...others] = await aliases();
    expect(others).toEqual([]);
    const { config, payload_schema } = await ask('GET', `/collections/${one?.alias_name}`);
    expect(one?.collection_name).toBe(`${one?.alias_name}.1`);
    expect(config.params).toMatchObject({
      shard_number: 2,
      on_disk_payload: true,
      vectors: { dense: { size: 2, distance: 'Cosine', on_disk: true } },
      // Words are weighed by the question: the server would count the points of all tenants.
      sparse_vectors: { lexical: {} },
    });
    expect(config.hnsw_config).toMatchObject({ m: 0, payload_m: 16 });
    expect(config.quantization_config).toMatchObject({ binary: { always_ram: true } });
    expect(payload_schema.tenant).toMatchObject({ data_type: 'keyword', params: { is_tenant: true } });
    expect(Object.keys(payload_schema)).toEqual(
      expect.arrayContaining([
        'collection',
        'document',
        'acl',
        'facts',
        'version',
        'terms',
        // The server's own spelling of `numbers."year"`.
        'numbers.year',
        'order."a%22b".w0',
      ]),
    );
  });

  test('a collection that was dropped is made again by the next write', async () => {
    const store = open();
    await store.upsert(scope, [point('a')]);
    const [one] = await aliases();
    await ask('DELETE', `/collections/${one?.collection_name}`);
    await expect(store.search(scope, caller, dense)).rejects.toMatchObject({ code: 'unknown_collection' });
    await store.upsert(scope, [point('b')]);
    expect(await store.search(scope, caller, dense)).toMatchObject([{ document: 'b' }]);
  });

  test('without principals nothing is found', async () => {
    const store = open();
    await store.upsert(scope, [point('a')]);
    expect(await store.search(scope, { tenant: 't', principals: [] }, dense)).toEqual([]);
  });

  test('ranks Cranfield as the embedded store does, by words and fused', async () => {
    const { documents, queries } = cranfield(400, 40);
    const wide = { ...scope, dimensions: 16 };
    const points = documents.map(({ id, text }, n) =>
      point(id, { text, vector: Float32Array.from({ length: 16 }, (_, i) => Math.cos(n * 7 + i * 3)) }),
    );
    const embedded = await openPgVectors(database);
    const store = open({ KNARR_BM25_AVERAGE_LENGTH: '96' }, server.url, postgresAnalyzer(database));
    await embedded.upsert(wide, points);
    await store.upsert(wide, points);
    for (const mode of ['lexical', 'hybrid'] as const) {
      let same = 0;
      let asked = 0;
      for (const [n, { text }] of queries.entries()) {
        const vector = points[n]?.vector;
        const query = { mode, text, vector, limit: 10 };
        const theirs = await embedded.search(wide, caller, query);
        const ours = await store.search(wide, caller, query);
        const mine = new Set(ours.map(({ document }) => document));
        same += theirs.filter(({ document }) => mine.has(document)).length;
        asked += theirs.length;
        if (mode === 'hybrid') expect(ours[0]?.score).toBeCloseTo(theirs[0]?.score ?? 0, 2);
      }
      console.log(`${mode}: ${same} of ${asked} of the ten best are the same`);
      expect(same / asked).toBeGreaterThan(0.95);
    }
  });

  test('strict mode is said in words', async () => {
    const store = open({ KNARR_QDRANT_RANGE_FIELDS: 'year' });
    await store.upsert(scope, [
      point('a', { metadata: { year: 2020, month: 1, lang: 'en', day: '2020-01-01' } }),
    ]);
    const [one] = await aliases();
    await ask('PATCH', `/collections/${one?.collection_name}`, {
      strict_mode_config: {
        enabled: true,
        unindexed_filtering_retrieve: false,
        unindexed_filtering_update: false,
        max_query_limit: 200,
        search_max_hnsw_ef: 500,
      },
    });
    const filtered = (filter: object) => store.search(scope, caller, { ...dense, filter } as never);
    const indexed = { and: [{ eq: { lang: 'en' } }, { range: { year: { gte: 2020 } } }] };
    expect(await filtered(indexed)).toHaveLength(1);
    await expect(filtered({ range: { month: { gt: 0 } } })).rejects.toMatchObject({
      code: 'unprocessable',
      message: expect.stringContaining('KNARR_QDRANT_RANGE_FIELDS'),
    });
    await expect(store.search(scope, caller, { ...dense, limit: 300 })).rejects.toMatchObject({
      code: 'unprocessable',
      message: expect.stringContaining('limit'),
    });
    await expect(store.search(scope, caller, { ...dense, ef: 1000 })).rejects.toMatchObject({
      code: 'unprocessable',
    });
    expect(await store.remove('t', 'a', 2)).toBe(1);
  });

  describe('through a faulty network', () => {
    let proxy: FaultyProxy;
    beforeAll(async () => {
      proxy = await faultyProxy(server.url);
    });
    afterAll(() => proxy?.close());

    test('refusals, broken connections and lost answers are got over, and nothing is written twice', async () => {
      const store = open({}, proxy.url);
      await store.upsert(scope, [point('first')]);
      for (const fault of ['503', '500', '429', 'reset', 'lost'] as const) {
        proxy.plan.push(fault, fault);
        await store.upsert(scope, [point(fault)]);
        proxy.plan.push(fault, fault);
        expect((await store.search(scope, caller, dense)).length).toBeGreaterThan(1);
      }
      expect(proxy.plan).toEqual([]);
      expect(await store.count(scope)).toBe(6);
      const [names, counted] = [undefined, undefined];
      proxy.plan.push(names, counted, 'lost');
      expect(await store.remove('t', 'lost')).toBe(1);
      expect(await store.count(scope)).toBe(5);
    });

    test('the time that is left goes along, and is kept to', async () => {
      const store = open({}, proxy.url);
      await store.upsert(scope, [point('a')]);
      proxy.seen.length = 0;
      await store.search(scope, { ...caller, deadline: Date.now() + 4_500 }, dense);
      expect(proxy.seen.at(-1)).toMatch(/\/points\/query\?timeout=[45]$/);
      proxy.plan.push('silence');
      await expect(
        store.search(scope, { ...caller, deadline: Date.now() + 100 }, dense),
      ).rejects.toMatchObject({ code: 'deadline_exceeded' });
      const goneSoon = AbortSignal.timeout(50);
      proxy.plan.push('silence');
      await expect(store.search(scope, { ...caller, signal: goneSoon }, dense)).rejects.toThrow();
      proxy.plan.length = 0;
    });

    test('writes say that they wait and in which order they count', async () => {
      const store = open(
        { KNARR_QDRANT_ORDERING: 'strong', KNARR_QDRANT_READ_CONSISTENCY: 'majority' },
        proxy.url,
      );
      await store.upsert(scope, [point('a')]);
      expect(proxy.seen.at(-1)).toContain('points?wait=true&ordering=strong');
      await store.search(scope, caller, dense);
      expect(proxy.seen.at(-1)).toContain('consistency=majority');
      await store.remove('t', 'a');
      expect(proxy.seen.at(-1)).toContain('delete?wait=true&ordering=strong');
    });
  });
});
