import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { chunksOf, everybody, GENERATION, given, newTenant, using } from './fixtures.ts';

/** A collection can be built anew, in its generation or another; and what it should then hold. */
export function rebuildingContract(store: () => DocumentStore): void {
  const { accepted, indexed, drain, stateOf } = using(store);

  describe('rebuilding', () => {
    test('sends off every indexed version of a collection, to be embedded afresh', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a'));
      await accepted(given(tenant, 'unfinished'));
      await store().accept(given(tenant, 'elsewhere', 'one', { collection: 'other' }));
      await drain(tenant);
      expect(await store().redriveAll({ tenant, collection: 'default', generation: GENERATION })).toBe(1);
      expect(await store().redriveAll({ tenant, collection: 'default', generation: GENERATION })).toBe(0);
      expect(await drain(tenant)).toMatchObject([{ data: { document: 'a', version: 1, afresh: true } }]);
      expect(await stateOf(ref)).toBe('indexed');
    });

    test('moves a collection to another generation: what it holds is built anew in it', async () => {
      const tenant = newTenant();
      const generation = 'other.8.c16o0';
      const ref = await indexed(given(tenant, 'a'));
      const failed = await accepted(given(tenant, 'failed'));
      await store().fail(failed, { code: 'model_mismatch', message: 'another model' });
      await indexed(given(tenant, 'older'));
      const underWay = await accepted(given(tenant, 'older', 'two'));
      await store().accept(given(tenant, 'elsewhere', 'one', { collection: 'other' }));
      await store().remove(tenant, (await indexed(given(tenant, 'gone'))).document);
      await drain(tenant);

      expect(await store().redriveAll({ tenant, collection: 'default', generation })).toBe(2);
      expect((await drain(tenant)).map(({ subject }) => subject).sort()).toEqual(['a', 'older']);
      expect(await store().activeIndex(tenant, 'default')).toEqual({ generation, rebuilding: true });
      expect(await store().activeIndex(tenant, 'other')).toEqual({
        generation: GENERATION,
        rebuilding: false,
      });
      expect(await store().version(ref)).toMatchObject({ state: 'accepted', generation, indexedChunks: 0 });
      expect(await store().version(failed)).toMatchObject({ state: 'dead_lettered', generation });
      const [collection] = await store().collections(everybody(tenant));
      expect(collection).toMatchObject({ collection: 'default', rebuilding: 2 });

      // Work that was under way for the generation before counts no more.
      const old = { ...ref, generation: GENERATION };
      expect(await store().saveChunks(old, { title: null, chunks: chunksOf(1) })).toBe(false);
      for (const moved of [ref, underWay]) {
        const built = { ...moved, generation };
        expect(await store().saveChunks(built, { title: null, chunks: chunksOf(1) })).toBe(true);
        expect(await store().recordIndexed({ ...moved, generation: GENERATION }, [0])).toMatchObject({
          total: 0,
        });
        expect(await store().complete(moved)).toBe(false);
        expect(await store().recordIndexed(built, [0])).toEqual({ indexed: 1, total: 1 });
        expect(await store().complete(moved)).toBe(true);
      }
      expect(await store().activeIndex(tenant, 'default')).toEqual({ generation, rebuilding: false });
      expect((await store().accept(given(tenant, 'new'))).created).toBe(true);
      expect(await store().version({ tenant, document: 'new', version: 1 })).toMatchObject({ generation });
    });

    test('what the vector store should hold comes in order, in pages', async () => {
      const tenant = newTenant();
      for (const document of ['c', 'a', 'b']) await indexed(given(tenant, document));
      await accepted(given(tenant, 'a', 'two'));
      const found: string[] = [];
      let after: readonly [string, string, number] | undefined;
      for (;;) {
        const [row] = await store().expectedChunks(after, 1);
        if (!row) break;
        if (row.tenant === tenant) found.push(row.document);
        after = [row.tenant, row.document, row.chunk];
      }
      expect(found).toEqual(['b', 'c']);
      const refs = ['a', 'b', 'x'].map((document) => ({ document, version: 1, chunk: 0 }));
      expect((await store().liveChunks(tenant, refs)).map(({ document }) => document)).toEqual(['b']);
      expect(await store().underWay(tenant, ['a', 'b', 'x'])).toEqual(new Set(['a']));
    });
  });
}
