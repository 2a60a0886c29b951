import { expect, test } from 'vitest';
import { ndcgAt, recallAt, reciprocalRankAt, scoreRankings } from './ranking.ts';

const judged = new Map([
  ['a', 3],
  ['b', 1],
  ['c', 0],
]);

test('nDCG is 1 for the ideal order and falls with the places of the grades', () => {
  expect(ndcgAt(['a', 'b', 'x'], judged, 10)).toBe(1);
  // (1/log2(2) + 3/log2(3)) / (3/log2(2) + 1/log2(3))
  expect(ndcgAt(['b', 'a'], judged, 10)).toBeCloseTo((1 + 3 / Math.log2(3)) / (3 + 1 / Math.log2(3)), 12);
  expect(ndcgAt(['x', 'y'], judged, 10)).toBe(0);
  expect(ndcgAt(['x', 'a'], judged, 1)).toBe(0);
});

test('recall counts relevant documents only', () => {
  expect(recallAt(['c', 'a'], judged, 10)).toBe(0.5);
  expect(recallAt(['c', 'a'], judged, 1)).toBe(0);
});

test('the reciprocal rank is that of the first relevant document', () => {
  expect(reciprocalRankAt(['c', 'x', 'b', 'a'], judged, 10)).toBeCloseTo(1 / 3);
  expect(reciprocalRankAt(['c', 'x', 'b'], judged, 2)).toBe(0);
});

test('queries that found nothing count', () => {
  const qrels = new Map([
    ['q1', judged],
    ['q2', judged],
  ]);
  expect(scoreRankings(new Map([['q1', ['a', 'b']]]), qrels)).toMatchObject({
    'nDCG@10': 0.5,
    'recall@100': 0.5,
    'MRR@10': 0.5,
  });
});
