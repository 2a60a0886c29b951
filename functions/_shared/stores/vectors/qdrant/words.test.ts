import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type FaultyProxy, faultyProxy } from '../../../../../test/support/faulty-proxy.ts';
import {
  dropCollections,
  qdrantMissing,
  qdrantSettings,
  type TestQdrant,
  testQdrant,
} from '../../../../../test/support/qdrant.ts';
import { everyone, point, scopeOf } from '../contract/fixtures.ts';
import type { Analyzer } from '../lexical/analyzer.ts';
import { idf } from '../lexical/sparse.ts';
import type { Point, VectorStore } from '../port.ts';
import { openQdrantVectors } from './store.ts';

const scope = scopeOf('t');
/** Words as they are; every text here has as many as the usual one, so that a word's weight is its IDF. */
const plain: Analyzer = async (texts) =>
  texts.map((text) => new Map(text.split(' ').map((word) => [word, 1])));
const texts = (tenant: string, ...all: string[]) =>
  all.map((text, n) => point(tenant, `d${n}`, { text })) as Point[];

const missing = qdrantMissing();
describe.skipIf(missing)(`word statistics on a server${missing ? `: ${missing}` : ''}`, () => {
  let server: TestQdrant;
  let proxy: FaultyProxy;
  const used: string[] = [];
  beforeAll(async () => {
    server = await testQdrant();
    proxy = await faultyProxy(server.url);
  });
  afterAll(async () => {
    await proxy?.close();
    if (server) for (const prefix of used) await dropCollections(server.url, prefix);
    await server?.stop();
  });

  function settingsOf(env: Record<string, string> = {}, url = server.url) {
    const settings = qdrantSettings(url, { KNARR_BM25_AVERAGE_LENGTH: '2', ...env });
    used.push(settings.qdrantPrefix);
    return settings;
  }
  const best = async (store: VectorStore, text: string) => {
    const hits = await store.search(scope, everyone('t'), { mode: 'lexical', text, limit: 100 });
    return hits[0]?.score;
  };
  async function ask(method: string, path: string, body?: object): Promise<any> {
    const response = await fetch(server.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const { result, status } = (await response.json()) as { result: unknown; status: unknown };
    if (!response.ok) throw new Error(JSON.stringify(status));
    return result;
  }

  test('are exact over shards, and removed texts count no more', async () => {
    const store = openQdrantVectors(settingsOf({ KNARR_QDRANT_SHARDS: '3' }), plain);
    const fill = Array.from({ length: 27 }, (_, n) => `common w${n}`);
    await store.upsert(scope, texts('t', 'common rare', 'other rare', 'other words', ...fill));
    const told = async (text: string, holding: number, of: number) =>
      expect(await best(store, text)).toBeCloseTo(idf(of, holding), 5);
    await told('common', 28, 30);
    await told('rare', 2, 30);
    for (let n = 1; n < 20; n++) await store.remove('t', `d${n}`);
    await told('common', 11, 11);
    await told('rare', 1, 11);
  });

  test('are remembered for a while, until this process writes', async () => {
    let now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    onTestFinished(() => clock.mockRestore());
    const store = openQdrantVectors(settingsOf({}, proxy.url), plain);
    await store.upsert(scope, texts('t', 'common rare', 'common words'));
    const counted = async () => {
      proxy.seen.length = 0;
      await best(store, 'common rare');
      return proxy.seen.filter((request) => request.includes('/count')).length;
    };
    // The texts, and each of two words; more where the server is slow and is asked for estimates.
    expect(await counted()).toBeGreaterThanOrEqual(3);
    expect(await counted()).toBe(0);
    now += 61_000;
    expect(await counted()).toBeGreaterThanOrEqual(3);
    expect(await counted()).toBe(0);
    await store.upsert(scope, texts('t', 'common rare'));
    expect(await counted()).toBeGreaterThanOrEqual(3);
    await store.remove('t', 'd1');
    expect(await counted()).toBeGreaterThanOrEqual(3);
    expect(await best(store, 'common')).toBeCloseTo(idf(1, 1), 5);
  });

  test('of a long question are asked for up to a number; all its words are searched for', async () => {
    const store = openQdrantVectors(settingsOf({}, proxy.url), plain);
    await store.upsert(scope, texts('t', 'common rare', 'common words', 'other words'));
    const question = ['common', ...Array.from({ length: 300 }, (_, n) => `w${n}`), 'rare'].join(' ');
    proxy.seen.length = 0;
    // The last one weighs as the first one: no other word that was counted is there.
    expect(await best(store, question)).toBeCloseTo(2 * idf(3, 2), 5);
    const counts = proxy.seen.filter((request) => request.includes('/count')).length;
    expect(counts).toBeGreaterThanOrEqual(129);
    // Each term twice at most: where the server is slow, it is asked for an estimate, too.
    expect(counts).toBeLessThanOrEqual(257);
  });

  /** Makes a collection as an older release has left it. Gives its path. */
  async function age({ qdrantPrefix }: ReturnType<typeof settingsOf>): Promise<string> {
    const { aliases } = await ask('GET', '/aliases');
    const { alias_name } = aliases.find((one: { alias_name: string }) =>
      one.alias_name.startsWith(`${qdrantPrefix}.`),
    );
    const path = `/collections/${encodeURIComponent(alias_name)}`;
    await ask('PATCH', path, { sparse_vectors: { lexical: { modifier: 'idf' } } });
    await ask('DELETE', `${path}/index/terms?wait=true`);
    await ask('POST', `${path}/points/payload/delete?wait=true`, { keys: ['terms'], filter: {} });
    return path;
  }

  test('a collection of an older release is brought up by its first write', async () => {
    const settings = settingsOf();
    const [first, second] = [openQdrantVectors(settings, plain), openQdrantVectors(settings, plain)];
    const all = ['common rare', ...Array.from({ length: 600 }, (_, n) => `common w${n}`)];
    await first.upsert(scope, texts('t', ...all));
    await first.upsert(scopeOf('u'), texts('u', 'common rare', ''));
    const path = await age(settings);

    const reader = openQdrantVectors(settings, plain);
    const old = await best(reader, 'rare');
    // As it was, by everybody's points; the scope's own two words are in 601 and 1 of 601 texts.
    expect(old).toBeGreaterThan(0);
    expect(old).not.toBeCloseTo(idf(601, 1), 3);

    // Several at once, as after a rolling update.
    const late = openQdrantVectors(settings, plain);
    await Promise.all([
      second.upsert(scope, [point('t', 'new', { text: 'new words' })]),
      late.upsert(scope, [point('t', 'newer', { text: 'new words' })]),
    ]);
    const { config, payload_schema } = await ask('GET', path);
    expect(config.params.sparse_vectors.lexical.modifier).not.toBe('idf');
    expect(payload_schema.terms).toMatchObject({ data_type: 'integer' });
    for (const store of [reader, second, late]) {
      expect(await best(store, 'rare')).toBeCloseTo(idf(603, 1), 5);
      expect(await best(store, 'common')).toBeCloseTo(idf(603, 601), 5);
    }
  });

  test('a process brings up a collection once, whichever of its writes has gone', async () => {
    const settings = settingsOf();
    const all = Array.from({ length: 600 }, (_, n) => `common w${n}`);
    await openQdrantVectors(settings, plain).upsert(scope, texts('t', ...all));
    await age(settings);

    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let batches = 0;
    const { fetch } = globalThis;
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (url, options) => {
      if (!String(url).includes('/points/batch')) return fetch(url, options);
      batches++;
      await held;
      return fetch(url, options);
    });
    onTestFinished(() => spy.mockRestore());
    const store = openQdrantVectors(settings, plain);
    const caller = new AbortController();
    const write = (id: string, time = {}) =>
      store.upsert(scope, [point('t', id, { text: 'new words' })], time);
    const first = write('first', { signal: caller.signal });
    const gone = expect(first).rejects.toMatchObject({ code: 'cancelled' });
    while (batches === 0) await new Promise(setImmediate);
    const others = ['second', 'third', 'fourth'].map((id) => write(id));
    caller.abort();
    goOn();
    await gone;
    await Promise.all(others);
    // 600 points by 256.
    expect(batches).toBe(3);
    expect(await best(store, 'common')).toBeCloseTo(idf(603, 600), 5);
  });

  test('a collection that could not be brought up is by the next write', async () => {
    const settings = settingsOf({}, proxy.url);
    const store = openQdrantVectors(settings, plain);
    await store.upsert(scope, texts('t', 'common rare', 'common words'));
    const path = await age(settings);
    const late = openQdrantVectors(settings, plain);
    const { fetch } = globalThis;
    const spy = vi
      .spyOn(globalThis, 'fetch')
      .mockImplementation(async (url, options) =>
        String(url).includes('/points/batch') ? new Response('{}', { status: 403 }) : fetch(url, options),
      );
    onTestFinished(() => spy.mockRestore());
    const write = () => late.upsert(scope, [point('t', 'new', { text: 'common' })]);
    await expect(write()).rejects.toMatchObject({ code: 'upstream_failed' });
    expect((await ask('GET', path)).config.params.sparse_vectors.lexical.modifier).toBe('idf');
    spy.mockRestore();
    await write();
    expect(await best(late, 'rare')).toBeCloseTo(idf(3, 1), 5);
  });
});
