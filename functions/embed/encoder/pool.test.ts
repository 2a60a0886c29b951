import { expect, test } from 'vitest';
import { normaliseRows, poolTokens } from './pool.ts';

test.each([
  ['mean', [2, -2, 5, 5]],
  ['cls', [1, 2, 5, 5]],
  ['lasttoken', [3, -6, 5, 5]],
  ['max', [3, 2, 5, 5]],
  ['mean_sqrt_len_tokens', [4 / Math.SQRT2, -4 / Math.SQRT2, 5, 5]],
  ['weightedmean', [(1 + 2 * 3) / 3, (2 - 2 * 6) / 3, 5, 5]],
] as const)('%s pooling reads only the tokens of each text', (pooling, expected) => {
  // Two texts of 2 and 1 tokens, padded to 2, two dimensions; the padding must not count.
  const hidden = Float32Array.of(1, 2, 3, -6, 5, 5, 99, 99);
  const pooled = poolTokens(hidden, [2, 1], { sequence: 2, dimensions: 2, pooling });
  expect(pooled).toEqual(Float32Array.from(expected));
});

test('normalised rows have length 1, zero rows stay', () => {
  const rows = Float32Array.of(3, 4, 0, 0);
  normaliseRows(rows, 2);
  expect([...rows].map((x) => x.toFixed(2))).toEqual(['0.60', '0.80', '0.00', '0.00']);
});
