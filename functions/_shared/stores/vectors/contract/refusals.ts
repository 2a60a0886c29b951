import { expect, test } from 'vitest';
import type { VectorStore } from '../port.ts';
import { everyone, finder, point, scopeOf, towards } from './fixtures.ts';

/** What is refused, and with which code. */
export function refusalsContract(store: () => VectorStore): void {
  const find = finder(store);

  test('mismatches and unknown collections are refused in words', async () => {
    const scope = scopeOf('refusals');
    await store().upsert(scope, [point('refusals', 'a')]);
    await expect(
      store().upsert(scope, [point('refusals', 'b', { vector: towards(0, 3) })]),
    ).rejects.toMatchObject({ code: 'model_mismatch' });
    await expect(
      store().upsert({ ...scope, dimensions: 3 }, [point('refusals', 'b', { vector: towards(0, 3) })]),
    ).rejects.toMatchObject({ code: 'model_mismatch' });
    await expect(find('refusals', { vector: towards(0, 5) })).rejects.toMatchObject({
      code: 'model_mismatch',
      message: expect.stringContaining('5'),
    });
    await expect(
      store().search({ ...scope, collection: 'no' }, everyone('refusals'), {
        mode: 'dense',
        vector: towards(0),
        limit: 1,
      }),
    ).rejects.toMatchObject({
      code: 'unknown_collection',
    });
    await expect(
      store().search(scope, everyone('refusals'), { mode: 'dense', limit: 1 }),
    ).rejects.toMatchObject({ code: 'invalid_request' });
  });
}
