import { expect, test } from 'vitest';
import { pointId } from '../../../ids.ts';
import type { VectorStore } from '../port.ts';
import { everyone, finder, point, scopeOf, towards } from './fixtures.ts';

/** What is found by likeness, by words and by both, and in which order. */
export function searchContract(store: () => VectorStore): void {
  const find = finder(store);

  test('dense search ranks by cosine, best first, with the cosine as score', async () => {
    await store().upsert(scopeOf('dense'), [
      point('dense', 'far', { vector: towards(1) }),
      point('dense', 'near'),
    ]);
    const hits = await store().search(scopeOf('dense'), everyone('dense'), {
      mode: 'dense',
      vector: towards(0),
      limit: 10,
    });
    expect(hits.map(({ document }) => document)).toEqual(['near', 'far']);
    expect(hits[0]).toMatchObject({ version: 1, chunk: 0, id: pointId('dense', 'near', 1, 0, 'g') });
    expect(hits[0]?.score).toBeCloseTo(1, 5);
    expect(hits[1]?.score).toBeCloseTo(0.2 / 1.03 + 0.02 / 1.03, 2);
  });

  test('lexical search finds words in their forms, ranks by BM25 and returns only what matches', async () => {
    await store().upsert(scopeOf('words'), [
      point('words', 'ships', { text: 'The merchant ships sailed. Ships and more ships.' }),
      point('words', 'mention', {
        text: 'A long text about trade routes, fur, amber and, once, a ship in a harbour far away.',
      }),
      point('words', 'other', { text: 'Potatoes grow in the earth.' }),
    ]);
    expect(await find('words', { mode: 'lexical', text: 'ship' })).toEqual(['ships', 'mention']);
    expect(await find('words', { mode: 'lexical', text: 'sailing' })).toEqual(['ships']);
    expect(await find('words', { mode: 'lexical', text: 'zeppelin' })).toEqual([]);
  });

  test.each([
    ['layer', 'The boundary-layer grows.'],
    ['output', 'Its input/output is slow.'],
    ['1087', 'He reigned 1066-1087.'],
    ['1066000', 'It holds 1,066,000 people.'],
    ['herve', 'Hervé served in Byzantium.'],
    ['example', 'Write to norman@example.org.'],
    ['首都', '北京是中国的首都。'],
  ])('lexical search finds %s in %s', async (text, body) => {
    const tenant = `part-${text}`;
    await store().upsert(scopeOf(tenant), [point(tenant, 'a', { text: body })]);
    expect(await find(tenant, { mode: 'lexical', text })).toEqual(['a']);
  });

  test.each([
    '',
    '   ',
    'the of and',
    '"ship',
    "ship' & | ! ( ) :* \\ --",
    '\0ship',
    '🚢',
    '%_',
    'x'.repeat(8192),
  ])('any text may be searched for (case %#)', async (text) => {
    await store().upsert(scopeOf('any'), [point('any', 'a', { text: 'a ship 🚢' })]);
    expect(await find('any', { mode: 'lexical', text })).toSatisfy((found: string[]) =>
      found.every((id) => id === 'a'),
    );
    expect(await find('any', { mode: 'hybrid', text })).toEqual(['a']);
  });

  test('hybrid search puts first what both sides find', async () => {
    await store().upsert(scopeOf('hybrid'), [
      point('hybrid', 'meaning', { vector: towards(0), text: 'nothing in common' }),
      point('hybrid', 'both', {
        vector: towards(0).map((x, i) => (i === 3 ? x + 0.05 : x)),
        text: 'a longship',
      }),
      point('hybrid', 'elsewhere', {
        vector: towards(0).map((x, i) => (i === 1 ? x + 0.3 : x)),
        text: 'nothing',
      }),
      point('hybrid', 'word', { vector: towards(2), text: 'longship longship' }),
    ]);
    const found = await find('hybrid', { mode: 'hybrid', text: 'longship' });
    expect(found[0]).toBe('both');
    expect([...found].sort()).toEqual(['both', 'elsewhere', 'meaning', 'word']);
  });
}
