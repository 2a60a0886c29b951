import { expect, test } from 'vitest';
import { fuseRanks } from './fusion.ts';

const list = (scores: Record<string, number>) => Object.entries(scores).map(([id, score]) => ({ id, score }));
const fuse = (...lists: { id: string; score: number }[][]) => fuseRanks(lists, ({ id }) => id);
const ids = (fused: { item: { id: string } }[]) => fused.map(({ item }) => item.id);

test('a score is the sum of 1 / (60 + rank)', () => {
  const fused = fuse(list({ a: 9, b: 8, c: 1 }), list({ b: 0.9, d: 0.1 }));
  expect(ids(fused)).toEqual(['b', 'a', 'd', 'c']);
  expect(fused[0]?.score).toBeCloseTo(1 / 62 + 1 / 61, 15);
  expect(fused[3]?.score).toBeCloseTo(1 / 63, 15);
});

test('of equal sums the better scored comes first, whichever list it leads', () => {
  // a leads by far in one list and is hardly behind in the other.
  const [dense, lexical] = [list({ a: 0.9, b: 0.2, x: 0.1 }), list({ b: 10, a: 9, y: 1 })];
  expect(ids(fuse(dense, lexical)).slice(0, 2)).toEqual(['a', 'b']);
  expect(ids(fuse(lexical, dense))).toEqual(ids(fuse(dense, lexical)));
});

test('of equal sums and scores the key decides', () => {
  expect(ids(fuse(list({ b: 1 }), list({ a: 7 })))).toEqual(['a', 'b']);
  expect(ids(fuse(list({ b: 1, a: 1 }), list({ a: 3, b: 3 })))).toEqual(['a', 'b']);
  expect(fuse([], [])).toEqual([]);
});
