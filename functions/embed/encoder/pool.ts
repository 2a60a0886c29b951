import type { Pooling } from '../../_shared/models/folder.ts';

/** A token's weight in a sum that becomes the text's vector. */
const WEIGHTS: Partial<Record<Pooling, (index: number, length: number) => number>> = {
  mean: (_, length) => 1 / length,
  mean_sqrt_len_tokens: (_, length) => 1 / Math.sqrt(length),
  // Position i of 1…n weighs i.
  weightedmean: (index, length) => (index + 1) / ((length * (length + 1)) / 2),
  cls: (index) => (index === 0 ? 1 : 0),
  lasttoken: (index, length) => (index === length - 1 ? 1 : 0),
};

/**
 * Pools token vectors `[batch, sequence, dimensions]` to `[batch, dimensions]` over each text's own tokens
 * (`lengths`, padding at the end), as Sentence Transformers' Pooling module does.
 */
export function poolTokens(
  hidden: Float32Array,
  lengths: readonly number[],
  { sequence, dimensions, pooling }: { sequence: number; dimensions: number; pooling: Pooling },
): Float32Array<ArrayBuffer> {
  const pooled = new Float32Array(lengths.length * dimensions);
  const weigh = WEIGHTS[pooling];
  lengths.forEach((length, row) => {
    const out = pooled.subarray(row * dimensions, (row + 1) * dimensions);
    if (!weigh) out.fill(Number.NEGATIVE_INFINITY);
    for (let index = 0; index < length; index++) {
      const weight = weigh?.(index, length);
      if (weight === 0) continue;
      const start = (row * sequence + index) * dimensions;
      for (let d = 0; d < dimensions; d++) {
        const value = hidden[start + d] as number;
        const before = out[d] as number;
        out[d] = weight === undefined ? Math.max(before, value) : before + weight * value;
      }
    }
  });
  return pooled;
}

/** Scales each vector of `[n, dimensions]` to length 1; a zero vector stays zero. */
export function normaliseRows(vectors: Float32Array, dimensions: number): void {
  for (let start = 0; start < vectors.length; start += dimensions) {
    const row = vectors.subarray(start, start + dimensions);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (norm === 0) continue;
    row.forEach((value, d) => {
      row[d] = value / norm;
    });
  }
}
