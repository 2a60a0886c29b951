import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SearchInput, SearchOutput } from '../_shared/contracts.ts';
import { EVENTS, type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import type { Filter } from '../_shared/filter.ts';
import { pointId } from '../_shared/ids.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import type { Call } from '../_shared/stage.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { encodeVector } from '../_shared/vectors.ts';
import { stage } from './index.ts';

const GENERATION = 'tiny.3.c64o8';

let database: Database;
let documents: DocumentStore;
let vectors: VectorStore;
let running: RunningStage<SearchInput, SearchOutput>;
beforeAll(async () => {
  database = await openPGlite();
  documents = await createDocumentStore(database);
  vectors = await openPgVectors(database);
  running = runStage(stage, { documents, vectors }, { log: createLogger('silent'), checkOutput: true });
});
afterAll(() => database?.close());

const [NORTH, EAST] = [Float32Array.of(1, 0, 0), Float32Array.of(0, 1, 0)];
/** Between the two, nearer to the first. */
const between = (share: number) => Float32Array.of(Math.cos(share), Math.sin(share), 0);

/** A collection with one accepted document, so that it exists. */
async function collection(name: string, tenant = 'acme'): Promise<void> {
  await documents.accept({
    tenant,
    document: `of ${name}`,
    collection: name,
    generation: GENERATION,
    title: null,
    uri: null,
    contentType: 'text/plain',
    contentHash: name,
    bytes: 1,
    original: 'x',
    metadata: {},
    acl: ['*'],
  });
}
async function index(name: string, points: (Partial<Point> & { document: string })[], tenant = 'acme') {
  await collection(name, tenant);
  const scope = { tenant, collection: name, generation: GENERATION, dimensions: 3 };
  const whole = points.map((point) => ({
    id: pointId(tenant, point.document, 1, point.chunk ?? 0, GENERATION),
    version: 1,
    chunk: 0,
    vector: NORTH,
    text: point.document,
    metadata: {},
    acl: ['*'],
    ...point,
  }));
  await vectors.upsert(scope, whole);
}

const call = (more: Partial<Call> = {}): Call => ({
  tenant: 'acme',
  principals: ['*'],
  signal: AbortSignal.timeout(30_000),
  ...more,
});
const input = (more: Partial<SearchInput>): SearchInput => ({
  collection: 'default',
  mode: 'hybrid',
  limit: 10,
  query: 'ship',
  ...more,
});
const search = (more: Partial<SearchInput>, as: Partial<Call> = {}) => running.call(input(more), call(as));
const found = async (more: Partial<SearchInput>, as: Partial<Call> = {}) =>
  (await search(more, as)).hits.map(({ document }) => document);

describe('modes', () => {
  beforeAll(() =>
    index('modes', [
      { document: 'near', vector: between(0.1), text: 'about nothing' },
      { document: 'far', vector: EAST, text: 'nothing at all' },
      { document: 'word', vector: Float32Array.of(-1, 0, 0), text: 'ships, ships and shipping' },
      { document: 'both', vector: between(0.2), text: 'a long text in which, once, a ship sails' },
    ]),
  );
  const vector = encodeVector(NORTH);

  test('dense ranks by meaning, with the cosine as score', async () => {
    const { hits, ...rest } = await search({ collection: 'modes', mode: 'dense', vector, model: 'tiny' });
    expect(hits.slice(0, 2).map(({ document }) => document)).toEqual(['near', 'both']);
    expect(hits[0]).toEqual({
      document: 'near',
      version: 1,
      chunk: 0,
      score: expect.closeTo(Math.cos(0.1), 5),
    });
    expect(rest).toEqual({ mode: 'dense', degraded: [] });
  });

  test('lexical ranks by words, and needs no vector', async () => {
    expect(await search({ collection: 'modes', mode: 'lexical' })).toMatchObject({
      hits: [{ document: 'word' }, { document: 'both' }],
      mode: 'lexical',
      degraded: [],
    });
  });

  test('hybrid puts first what both sides find', async () => {
    const { hits, mode, degraded } = await search({ collection: 'modes', vector });
    expect(hits.map(({ document }) => document).sort()).toEqual(['both', 'far', 'near', 'word']);
    expect(hits[0]?.document).toBe('both');
    expect([mode, degraded]).toEqual(['hybrid', []]);
  });

  test('hybrid without a vector goes on with words alone and says so; dense does not', async () => {
    expect(await search({ collection: 'modes' })).toMatchObject({
      hits: [{ document: 'word' }, { document: 'both' }],
      mode: 'lexical',
      degraded: ['embed'],
    });
    await expect(search({ collection: 'modes', mode: 'dense' })).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'A dense search needs a vector.',
    });
  });

  test('no more hits than were asked for', async () => {
    expect(await found({ collection: 'modes', vector, limit: 1 })).toEqual(['both']);
  });
});

describe('who asks', () => {
  beforeAll(async () => {
    await index('shared', [
      { document: 'open', text: 'ship' },
      { document: 'for ann', text: 'ship', acl: ['user:ann'] },
      { document: 'for crew', text: 'ship', acl: ['group:crew', 'user:bob'] },
    ]);
    await index('shared', [{ document: 'theirs', text: 'ship' }], 'other');
  });
  const of = { collection: 'shared', vector: encodeVector(NORTH) };

  test.each(['hybrid', 'dense', 'lexical'] as const)('%s finds what the caller may read', async (mode) => {
    const as = async (...principals: string[]) => (await found({ ...of, mode }, { principals })).sort();
    expect(await as('*')).toEqual(['open']);
    expect(await as('*', 'user:ann')).toEqual(['for ann', 'open']);
    expect(await as('*', 'group:crew', 'group:other')).toEqual(['for crew', 'open']);
    expect(await as('user:ann')).toEqual(['for ann']);
    // Who may read nothing in it does not learn that it is there.
    await expect(as()).rejects.toMatchObject({
      code: 'unknown_collection',
      message: 'There is no collection shared.',
    });
  });

  test('not even by the model that built it', async () => {
    const otherModel = { ...of, model: 'other' };
    await expect(found(otherModel, { principals: ['*'] })).rejects.toMatchObject({ code: 'model_mismatch' });
    await expect(found(otherModel, { principals: [] })).rejects.toMatchObject({ code: 'unknown_collection' });
  });

  test('a tenant finds its own collection of that name only', async () => {
    expect(await found(of, { tenant: 'other', principals: ['*', 'user:ann'] })).toEqual(['theirs']);
    await expect(found(of, { tenant: 'nobody' })).rejects.toMatchObject({ code: 'unknown_collection' });
  });
});

describe('filters', () => {
  const many = (length: number) => ({ in: { year: Array.from({ length }, (_, n) => n) } });
  beforeAll(() =>
    index('filters', [
      { document: 'a', metadata: { lang: 'en', year: 2020, tags: ['x', 'y'] } },
      { document: 'b', metadata: { lang: 'de', year: 2021, tags: ['x'] } },
      { document: 'c', metadata: { lang: 'en', year: 2022 } },
    ]),
  );
  test.each<[Filter, string[]]>([
    [{ eq: { lang: 'en' } }, ['a', 'c']],
    [{ in: { year: [2020, 2021] } }, ['a', 'b']],
    [{ eq: { tags: 'y' } }, ['a']],
    [{ range: { year: { gt: 2020, lte: 2022 } } }, ['b', 'c']],
    [{ and: [{ eq: { lang: 'en' } }, { not: { eq: { tags: 'x' } } }] }, ['c']],
    [{ or: [{ eq: { lang: 'de' } }, { eq: { year: 2022 } }] }, ['b', 'c']],
    [{ or: [many(256), { not: many(255) }, { eq: { lang: 'de' } }] }, ['a', 'b', 'c']],
  ])('%j', async (filter, expected) => {
    const of = { collection: 'filters', vector: encodeVector(NORTH), filter };
    expect((await found({ ...of, mode: 'dense' })).sort()).toEqual(expected);
    expect((await found(of)).sort()).toEqual(expected);
  });

  test.each([
    {},
    { eq: {} },
    { eq: { lang: null } },
    { near: { lang: 'en' } },
    { eq: { lang: 'en' }, in: { year: [1] } },
    { range: { year: {} } },
    { range: { year: { above: 1 } } },
    { and: [] },
    { in: { year: [] } },
    { eq: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`f${n}`, n])) },
    { or: [many(256), many(256), { eq: { lang: 'en' } }] },
    { not: { and: Array.from({ length: 3 }, () => ({ or: [many(200)] })) } },
  ])('%j is refused', async (filter) => {
    await expect(search({ collection: 'filters', filter: filter as never })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('filter'),
    });
  });
});

describe('what does not fit', () => {
  beforeAll(async () => {
    await index('small', [{ document: 'a' }]);
    await collection('empty');
  });

  test.each(['small', 'empty'])('a vector of another length or model is refused in %s', async (name) => {
    const long = encodeVector(Float32Array.of(1, 0, 0, 0));
    await expect(search({ collection: name, vector: long })).rejects.toMatchObject({
      code: 'model_mismatch',
      message: 'The vector has 4 dimensions; 3 are expected.',
    });
    const other = { collection: name, vector: encodeVector(NORTH), model: 'large' };
    await expect(search(other)).rejects.toMatchObject({
      code: 'model_mismatch',
      message: 'The vector was made by large; the collection was built with tiny. A rebuild moves it.',
    });
  });

  test.each([
    ['half a float', Buffer.alloc(6).toString('base64')],
    ['not a number', encodeVector(Float32Array.of(Number.NaN, 0, 0))],
    ['infinity', encodeVector(Float32Array.of(0, Number.POSITIVE_INFINITY, 0))],
    ['no base64', '%%%'],
    ['nothing', ''],
  ])('a vector that is %s is refused', async (_, vector) => {
    await expect(search({ collection: 'small', vector })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a collection that is not there is unknown, one without indexed documents is empty', async () => {
    await expect(search({ collection: 'none' })).rejects.toMatchObject({
      code: 'unknown_collection',
      message: 'There is no collection none.',
    });
    expect(await search({ collection: 'empty', vector: encodeVector(NORTH) })).toEqual({
      hits: [],
      mode: 'hybrid',
      degraded: [],
    });
  });
});

describe('an asynchronous question', () => {
  const asked = (more: Partial<EventData<'query.embedded'>>) =>
    EVENTS['query.embedded'].parse({
      query: 'q1',
      question: 'ship',
      collection: 'shared',
      principals: ['*'],
      timings: { embed: 1 },
      ...more,
    });
  async function match(more: Partial<EventData<'query.embedded'>>, tenant = 'acme') {
    const event = toCloudEvent('embed', emit('query.embedded', 'q1', asked(more)), { tenant });
    const [matched, ...others] = await running.receive(event, AbortSignal.timeout(30_000));
    expect(others).toEqual([]);
    expect(matched).toMatchObject({ type: 'dev.knarr.query.matched.v1', subject: 'q1', tenant });
    expect(Buffer.byteLength(JSON.stringify(matched))).toBeLessThan(MAX_EVENT_BYTES);
    return EVENTS['query.matched'].parse(matched?.data);
  }
  const documentsOf = ({ hits }: EventData<'query.matched'>) => hits.map(({ document }) => document).sort();

  test('is searched for its own principals, and goes on without its vector', async () => {
    const matched = await match({
      vector: encodeVector(NORTH),
      model: 'tiny',
      principals: ['*', 'user:ann'],
    });
    expect(documentsOf(matched)).toEqual(['for ann', 'open']);
    expect(matched).not.toHaveProperty('vector');
    expect(matched).toMatchObject({ degraded: [], timings: { embed: 1, search: expect.any(Number) } });
    expect(documentsOf(await match({}))).toEqual(['open']);
    await expect(match({ vector: encodeVector(NORTH), principals: [] })).rejects.toMatchObject({
      code: 'unknown_collection',
    });
    expect(documentsOf(await match({ vector: encodeVector(NORTH) }, 'other'))).toEqual(['theirs']);
  });

  test('adds what it had to leave out to what earlier stages did', async () => {
    expect((await match({ degraded: ['embed.truncated'] })).degraded).toEqual(['embed.truncated', 'embed']);
  });

  test('stays within an event: hits that do not fit are left out from the end, and named', async () => {
    const long = Array.from({ length: 100 }, (_, n) => ({
      document: `${'ä'.repeat(500)} ${n}`,
      vector: between(n / 100),
    }));
    await index('long', long);
    const matched = await match({
      collection: 'long',
      mode: 'dense',
      vector: encodeVector(NORTH),
      limit: 100,
    });
    expect(matched.hits.length).toBeGreaterThan(20);
    expect(matched.hits.length).toBeLessThan(100);
    expect(matched.hits.map(({ document }) => Number(document.split(' ')[1]))).toEqual(
      matched.hits.map((_, n) => n),
    );
    expect(matched.degraded).toEqual(['search.truncated']);
    // More than are wanted, as for a question whose asker waits: some may not be current.
    const few = await match({ collection: 'long', mode: 'dense', vector: encodeVector(NORTH), limit: 10 });
    expect([few.hits.length, few.degraded]).toEqual([15, []]);
  });

  test('that cannot succeed is answered with a status that no Broker retries', async () => {
    const post = async (more: Partial<EventData<'query.embedded'>>) => {
      const { data, ...attributes } = toCloudEvent('embed', emit('query.embedded', 'q1', asked(more)), {
        tenant: 'acme',
      });
      const headers = new Headers({ 'content-type': 'application/json' });
      for (const [name, value] of Object.entries(attributes)) headers.set(`ce-${name}`, String(value));
      headers.delete('ce-datacontenttype');
      const body = JSON.stringify(data);
      const answer = await running.fetch(new Request('http://search/', { method: 'POST', body, headers }));
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    expect(await post({ collection: 'none' })).toEqual([422, 'unknown_collection']);
    expect(await post({ vector: encodeVector(NORTH), model: 'large' })).toEqual([422, 'model_mismatch']);
    expect(await post({ mode: 'dense' })).toEqual([422, 'invalid_request']);
  });
});
