import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeVector } from '../_shared/vectors.ts';
import { between, EAST, indexShared, NORTH, openTestSearch, type TestSearch } from './testing.ts';

let stage: TestSearch;
beforeAll(async () => {
  stage = await openTestSearch();
});
afterAll(() => stage?.close());

describe('modes', () => {
  beforeAll(() =>
    stage.index('modes', [
      { document: 'near', vector: between(0.1), text: 'about nothing' },
      { document: 'far', vector: EAST, text: 'nothing at all' },
      { document: 'word', vector: Float32Array.of(-1, 0, 0), text: 'ships, ships and shipping' },
      { document: 'both', vector: between(0.2), text: 'a long text in which, once, a ship sails' },
    ]),
  );
  const vector = encodeVector(NORTH);

  test('dense ranks by meaning, with the cosine as score', async () => {
    const { hits, ...rest } = await stage.search({
      collection: 'modes',
      mode: 'dense',
      vector,
      model: 'tiny',
    });
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
    expect(await stage.search({ collection: 'modes', mode: 'lexical' })).toMatchObject({
      hits: [{ document: 'word' }, { document: 'both' }],
      mode: 'lexical',
      degraded: [],
    });
  });

  test('hybrid puts first what both sides find', async () => {
    const { hits, mode, degraded } = await stage.search({ collection: 'modes', vector });
    expect(hits.map(({ document }) => document).sort()).toEqual(['both', 'far', 'near', 'word']);
    expect(hits[0]?.document).toBe('both');
    expect([mode, degraded]).toEqual(['hybrid', []]);
  });

  test('hybrid without a vector goes on with words alone and says so; dense does not', async () => {
    expect(await stage.search({ collection: 'modes' })).toMatchObject({
      hits: [{ document: 'word' }, { document: 'both' }],
      mode: 'lexical',
      degraded: ['embed'],
    });
    await expect(stage.search({ collection: 'modes', mode: 'dense' })).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'A dense search needs a vector.',
    });
  });

  test('no more hits than were asked for', async () => {
    expect(await stage.found({ collection: 'modes', vector, limit: 1 })).toEqual(['both']);
  });
});

describe('who asks', () => {
  beforeAll(() => indexShared(stage));
  const of = { collection: 'shared', vector: encodeVector(NORTH) };

  test.each(['hybrid', 'dense', 'lexical'] as const)('%s finds what the caller may read', async (mode) => {
    const as = async (...principals: string[]) => (await stage.found({ ...of, mode }, { principals })).sort();
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
    await expect(stage.found(otherModel, { principals: ['*'] })).rejects.toMatchObject({
      code: 'model_mismatch',
    });
    await expect(stage.found(otherModel, { principals: [] })).rejects.toMatchObject({
      code: 'unknown_collection',
    });
  });

  test('a tenant finds its own collection of that name only', async () => {
    expect(await stage.found(of, { tenant: 'other', principals: ['*', 'user:ann'] })).toEqual(['theirs']);
    await expect(stage.found(of, { tenant: 'nobody' })).rejects.toMatchObject({ code: 'unknown_collection' });
  });
});

describe('what does not fit', () => {
  beforeAll(async () => {
    await stage.index('small', [{ document: 'a' }]);
    await stage.collection('empty');
  });

  test.each(['small', 'empty'])('a vector of another length or model is refused in %s', async (name) => {
    const long = encodeVector(Float32Array.of(1, 0, 0, 0));
    await expect(stage.search({ collection: name, vector: long })).rejects.toMatchObject({
      code: 'model_mismatch',
      message: 'The vector has 4 dimensions; 3 are expected.',
    });
    const other = { collection: name, vector: encodeVector(NORTH), model: 'large' };
    await expect(stage.search(other)).rejects.toMatchObject({
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
    await expect(stage.search({ collection: 'small', vector })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  test('a collection that is not there is unknown, one without indexed documents is empty', async () => {
    await expect(stage.search({ collection: 'none' })).rejects.toMatchObject({
      code: 'unknown_collection',
      message: 'There is no collection none.',
    });
    expect(await stage.search({ collection: 'empty', vector: encodeVector(NORTH) })).toEqual({
      hits: [],
      mode: 'hybrid',
      degraded: [],
    });
  });
});
