import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cranfield } from '../../../../../test/support/cranfield.ts';
import { pointId } from '../../../ids.ts';
import type { Database } from '../../sql/database.ts';
import { openPGlite } from '../../sql/pglite.ts';
import { openPgVectors } from '../pg.ts';
import { type Analyzer, postgresAnalyzer, type Terms } from './analyzer.ts';
import { documentVector, idf, queryVector, type SparseVector } from './sparse.ts';

let database: Database;
let analyze: Analyzer;
beforeAll(async () => {
  database = await openPGlite();
  analyze = postgresAnalyzer(database);
});
afterAll(() => database?.close());

const owner = { tenant: 't', collection: 'c' };

describe('the analyzer', () => {
  test('stems, drops stop words and counts', async () => {
    const [terms, none] = await analyze(['The ships sailed; a ship sails on the seas.', 'the of and \0']);
    expect(Object.fromEntries(terms as Terms)).toEqual({ ship: 2, sail: 2, sea: 1 });
    expect(none).toEqual(new Map());
    expect(await analyze([])).toEqual([]);
  });

  test.each(['', '🚢', '"', "'; drop table x; --", 'x'.repeat(100_000), 'e-mail me@example.org 3.14 v1.2.3'])(
    'takes any text (case %#)',
    async (text) => {
      expect(await analyze([text])).toHaveLength(1);
    },
  );
});

describe('sparse vectors', () => {
  test('weigh a term by BM25: saturated by its count, less in a longer text', () => {
    const weight = (terms: Terms, average = 3) => documentVector(owner, terms, average).values[0] as number;
    const [once, twice, often] = [1, 2, 1000].map((count) => weight(new Map([['a', count]]), count));
    expect(once).toBeCloseTo(1, 6);
    expect(twice).toBeGreaterThan(once as number);
    expect(often).toBeLessThan(2.2);
    expect(weight(new Map([['a', 1]]))).toBeGreaterThan(
      weight(
        new Map([
          ['a', 1],
          ['b', 8],
        ]),
      ),
    );
    expect(queryVector(owner, new Map([['a', 3]])).values).toEqual([3]);
  });

  test('share no dimension with another tenant or collection', () => {
    const terms: Terms = new Map(Array.from({ length: 200 }, (_, n) => [`term${n}`, 1]));
    const of = (tenant: string, collection: string) => queryVector({ tenant, collection }, terms).indices;
    const all = [of('t', 'c'), of('t', 'd'), of('u', 'c'), of('tc', '')].flat();
    expect(new Set(all).size).toBe(800);
    expect(all.every((index) => Number.isInteger(index) && index >= 0 && index < 2 ** 32)).toBe(true);
  });
});

test('rank Cranfield as the embedded store does', async () => {
  const { documents, queries } = cranfield(400, 60);
  const store = await openPgVectors(database);
  const scope = { ...owner, generation: 'g', dimensions: 1 };
  await store.upsert(
    scope,
    documents.map(({ id, text }) => ({
      id: pointId('t', id, 1, 0, 'g'),
      ...{
        document: id,
        version: 1,
        chunk: 0,
        vector: new Float32Array([1]),
        text,
        metadata: {},
        acl: ['*'],
      },
    })),
  );
  const terms = await analyze(documents.map(({ text }) => text));
  const lengths = terms.map((one) => [...one.values()].reduce((sum, count) => sum + count, 0));
  const average = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const rank = engine(terms.map((one) => documentVector(owner, one, average)));

  let same = 0;
  let asked = 0;
  const questions = await analyze(queries.map(({ text }) => text));
  for (const [n, { text }] of queries.entries()) {
    const found = await store.search(
      scope,
      { tenant: 't', principals: ['*'] },
      { mode: 'lexical', text, limit: 10 },
    );
    const ranked = rank(queryVector(owner, questions[n] as Terms)).slice(0, 10);
    const mine = new Set(ranked.map((place) => documents[place]?.id));
    same += found.filter(({ document }) => mine.has(document)).length;
    asked += found.length;
  }
  console.log(`${same} of ${asked} of the ten best are the same`);
  // The rest is rounding: pg_textsearch keeps a text's length in one byte.
  expect(same / asked).toBeGreaterThan(0.97);
});

/** What an engine does with sparse vectors, the question's weighed by IDF: inner products. */
function engine(vectors: SparseVector[]): (query: SparseVector) => number[] {
  const frequency = new Map<number, number>();
  for (const { indices } of vectors)
    for (const index of indices) frequency.set(index, (frequency.get(index) ?? 0) + 1);
  return ({ indices, values }) => {
    const weight = (index: number) => idf(vectors.length, frequency.get(index) ?? 0);
    const weights = new Map(indices.map((index, n) => [index, (values[n] as number) * weight(index)]));
    const scores = vectors.map((vector, place) => ({
      place,
      score: vector.indices.reduce(
        (sum, index, n) => sum + (weights.get(index) ?? 0) * (vector.values[n] as number),
        0,
      ),
    }));
    return scores
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .map(({ place }) => place);
  };
}
