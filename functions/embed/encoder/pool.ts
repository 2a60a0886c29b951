import type { Pooling } from '../../_shared/models/folder.ts';

/**
 * Pools token vectors `[batch, sequence, dimensions]` to `[batch, dimensions]` over each text's own tokens
 * (`lengths`), as Sentence Transformers' Pooling module does.
 */
export function poolTokens(
  hidden: Float32Array,
  lengths: readonly number[],
  sequence: number,
  dimensions: number,
  pooling: Pooling,
): Float32Array {
  const pooled = new Float32Array(lengths.length * dimensions);
  lengths.forEach((length, row) => {
    const out = pooled.subarray(row * dimensions, (row + 1) * dimensions);
    const token = (index: number) => {
      const start = (row * sequence + index) * dimensions;
      return hidden.subarray(start, start + dimensions);
    };
    out.set(token(0));
    if (pooling === 'cls') return;
    for (let index = 1; index < length; index++) {
      const vector = token(index);
      for (let d = 0; d < dimensions; d++) {
        const value = vector[d] as number;
        const sum = out[d] as number;
        out[d] = pooling === 'max' ? Math.max(sum, value) : sum + value;
      }
    }
    if (pooling === 'mean') scale(out, 1 / length);
    if (pooling === 'mean_sqrt_len') scale(out, 1 / Math.sqrt(length));
  });
  return pooled;
}

/** Scales each vector of `[n, dimensions]` to length 1; a zero vector stays zero. */
export function normaliseRows(vectors: Float32Array, dimensions: number): void {
  for (let start = 0; start < vectors.length; start += dimensions) {
    const row = vectors.subarray(start, start + dimensions);
    const norm = Math.hypot(...row);
    if (norm > 0) scale(row, 1 / norm);
  }
}

function scale(vector: Float32Array, factor: number): void {
  for (let d = 0; d < vector.length; d++) vector[d] = (vector[d] as number) * factor;
}
