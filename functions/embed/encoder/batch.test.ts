import { expect, test } from 'vitest';
import { admit, splitByLength } from './batch.ts';
import { normaliseRows, poolTokens } from './pool.ts';

test('a batch takes as many as the padded budget holds, and always one', () => {
  expect(admit([10, 10, 10], 20)).toBe(2);
  expect(admit([10, 40, 10], 60)).toBe(1);
  expect(admit([1000], 20)).toBe(1);
  expect(admit(Array(100).fill(1), 1e6)).toBe(32);
  expect(admit([], 20)).toBe(0);
});

test('short texts are not padded to long ones, and none is lost', () => {
  const lengths = [200, 4, 5, 190, 5, 4];
  const runs = splitByLength(lengths.map((length) => ({ ids: new Int32Array(length) })));
  expect(runs.map((run) => run.map(({ ids }) => ids.length))).toEqual([
    [4, 4, 5, 5],
    [190, 200],
  ]);
});

test('pooling reads only the tokens of each text', () => {
  // Two texts of 2 and 1 tokens, padded to 2, two dimensions; the padding must not count.
  const hidden = Float32Array.of(1, 2, 3, -6, 5, 5, 99, 99);
  const pooled = (pooling: Parameters<typeof poolTokens>[4]) => [
    ...poolTokens(hidden, [2, 1], 2, 2, pooling),
  ];
  expect(pooled('mean')).toEqual([2, -2, 5, 5]);
  expect(pooled('cls')).toEqual([1, 2, 5, 5]);
  expect(pooled('max')).toEqual([3, 2, 5, 5]);
  expect(pooled('mean_sqrt_len')[0]).toBeCloseTo(4 / Math.SQRT2);
});

test('normalised rows have length 1, zero rows stay', () => {
  const rows = Float32Array.of(3, 4, 0, 0);
  normaliseRows(rows, 2);
  expect([...rows].map((x) => x.toFixed(2))).toEqual(['0.60', '0.80', '0.00', '0.00']);
});
