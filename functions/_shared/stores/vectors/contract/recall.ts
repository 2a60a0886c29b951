import { expect, test } from 'vitest';
import { mulberry32 } from '../../../random.ts';
import type { VectorStore } from '../port.ts';
import { everyone, point, scopeOf } from './fixtures.ts';

/** An index may miss few true neighbours. `dimensions` is the length of the random vectors that it is asked for. */
export function recallContract(store: () => VectorStore, dimensions: number): void {
  test('dense search finds nearly all true neighbours', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`recall seed ${seed}`);
    const random = mulberry32(seed);
    const vectors = Array.from({ length: 1000 }, () =>
      Float32Array.from({ length: dimensions }, () => random() - 0.5),
    );
    const scope = scopeOf('recall', dimensions);
    await store().upsert(
      scope,
      vectors.map((vector, n) => point('recall', `d${n}`, { vector })),
    );
    const cosine = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, x, i) => sum + x * (b[i] as number), 0) / (Math.hypot(...a) * Math.hypot(...b));
    let found = 0;
    for (let query = 0; query < 20; query++) {
      const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5);
      const truth = vectors
        .map((other, n) => ({ n, score: cosine(vector, other) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);
      const hits = await store().search(scope, everyone('recall'), { mode: 'dense', vector, limit: 10 });
      const ids = new Set(hits.map(({ document }) => document));
      found += truth.filter(({ n }) => ids.has(`d${n}`)).length;
    }
    expect(found / 200).toBeGreaterThanOrEqual(0.98);
  });
}
