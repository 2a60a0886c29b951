import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { chunk, chunksOf, given, newTenant, using } from './fixtures.ts';

/** How a version gets from `accepted` to its end, whatever comes twice, late or out of order. */
export function progressContract(store: () => DocumentStore): void {
  const { accepted, indexed, stateOf } = using(store);

  describe('progress', () => {
    test('chunks in batches, in any order, several times: one caller completes', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      expect(await store().saveChunks(ref, { title: null, chunks: chunksOf(5) })).toBe(true);
      expect(await stateOf(ref)).toBe('chunked');
      expect(await store().recordIndexed(ref, [3, 4])).toEqual({ indexed: 2, total: 5 });
      expect(await stateOf(ref)).toBe('embedded');
      expect(await store().recordIndexed(ref, [4, 3])).toEqual({ indexed: 2, total: 5 });
      expect(await store().complete(ref)).toBe(false);
      await Promise.all([0, 1, 2, 0, 1, 2].map((ordinal) => store().recordIndexed(ref, [ordinal])));
      expect(await store().recordIndexed(ref, [0])).toEqual({ indexed: 5, total: 5 });
      expect(await stateOf(ref)).toBe('embedded');
      const completed = await Promise.all([1, 2, 3].map(() => store().complete(ref)));
      expect(completed.filter(Boolean)).toHaveLength(1);
      expect(await store().version(ref)).toMatchObject({ state: 'indexed', chunks: 5, indexedChunks: 5 });
    });

    test('a chunk that the version has not counts for nothing', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      expect(await store().recordIndexed(ref, [0])).toMatchObject({ indexed: 0 });
      await store().saveChunks(ref, { title: null, chunks: chunksOf(1) });
      expect(await store().recordIndexed(ref, [7])).toEqual({ indexed: 0, total: 1 });
    });

    test('the same chunks again undo nothing; other chunks have to be indexed', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a'), chunksOf(3));
      await store().saveChunks(ref, { title: null, chunks: chunksOf(3) });
      expect(await stateOf(ref)).toBe('indexed');
      await store().saveChunks(ref, { title: null, chunks: [chunk(0), chunk(1, 'other')] });
      expect(await store().version(ref)).toMatchObject({ state: 'embedded', chunks: 2, indexedChunks: 1 });
      expect((await store().chunks(ref)).map(({ text }) => text)).toEqual(['chunk 0', 'other']);
    });

    test('an ended version takes no more work', async () => {
      const tenant = newTenant();
      const old = await accepted(given(tenant, 'a', 'x'));
      await store().saveChunks(old, { title: null, chunks: chunksOf(2) });
      await store().accept(given(tenant, 'a', 'y'));
      expect(await store().saveChunks(old, { title: null, chunks: chunksOf(2) })).toBe(false);
      expect(await store().recordIndexed(old, [0, 1])).toEqual({ indexed: 0, total: 0 });
      expect(await store().fail(old, { code: 'internal', message: 'late' })).toBe(false);
      expect(await stateOf(old)).toBe('superseded');
      expect(await store().saveChunks({ ...old, version: 9 }, { title: null, chunks: [] })).toBe(false);
    });

    test('a failure has its reason and ends the version once', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      expect(await store().fail(ref, { code: 'unprocessable', message: 'no\0text' })).toBe(true);
      expect(await store().fail(ref, { code: 'internal', message: 'again' })).toBe(false);
      expect(await store().version(ref)).toMatchObject({
        state: 'dead_lettered',
        error: { code: 'unprocessable', message: 'no\ufffdtext' },
      });
      expect(await store().saveChunks(ref, { title: null, chunks: chunksOf(1) })).toBe(false);
    });
  });
}
