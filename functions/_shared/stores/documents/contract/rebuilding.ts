import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { chunksOf, everybody, GENERATION, given, newTenant, using } from './fixtures.ts';

/** A collection can be built anew, in its generation or another; and what it should then hold. */
export function rebuildingContract(store: () => DocumentStore): void {
  const { accepted, indexed, drain, stateOf } = using(store);
  type Of = Parameters<DocumentStore['beginRebuild']>[0];
  /** From its beginning, or where it was left, to its end. Returns how many were sent off. */
  async function rebuild(of: Of, batch: { documents?: number; chunks?: number } = {}): Promise<number> {
    await store().beginRebuild(of);
    let sent = 0;
    for (let more = true; more; ) {
      const done = await store().goOnRebuilding({ tenant: of.tenant }, batch);
      sent += done.sent;
      ({ more } = done);
    }
    return sent;
  }

  describe('rebuilding', () => {
    test('sends off every indexed version of a collection, to be embedded afresh', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a'));
      await accepted(given(tenant, 'unfinished'));
      await store().accept(given(tenant, 'elsewhere', 'one', { collection: 'other' }));
      await drain(tenant);
      expect(await rebuild({ tenant, collection: 'default', generation: GENERATION })).toBe(1);
      expect(await rebuild({ tenant, collection: 'default', generation: GENERATION })).toBe(0);
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

      expect(await rebuild({ tenant, collection: 'default', generation })).toBe(2);
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

    test('goes on from batch to batch; meanwhile what has not moved is missed, and everybody may write', async () => {
      const tenant = newTenant();
      const generation = 'other.8.c16o0';
      const names = ['a', 'b', 'c', 'd', 'e'];
      for (const name of names) await indexed(given(tenant, name), chunksOf(2));
      await store().accept(given(tenant, 'elsewhere', 'one', { collection: 'other' }));
      await drain(tenant);
      const of = { tenant, collection: 'default', generation };
      const two = { documents: 2 };
      const missed = async () => (await store().collections(everybody(tenant)))[0]?.rebuilding;
      const active = () => store().activeIndex(tenant, 'default');

      await store().beginRebuild(of);
      expect(await active()).toEqual({ generation, rebuilding: true });
      expect([await missed(), await drain(tenant)]).toEqual([5, []]);
      expect(await store().goOnRebuilding({ tenant }, two)).toEqual({ sent: 2, waits: false, more: true });
      expect((await drain(tenant)).map(({ subject }) => subject)).toEqual(['a', 'b']);
      expect(await stateOf({ tenant, document: 'b', version: 1 })).toBe('accepted');
      expect(await store().version({ tenant, document: 'c', version: 1 })).toMatchObject({
        state: 'indexed',
        generation: GENERATION,
      });
      const [chunk] = await store().liveChunks(tenant, [{ document: 'c', version: 1, chunk: 0 }]);
      expect(chunk?.generation).toBe(GENERATION);

      // All that has moved is there; the rest is still missed.
      for (const document of ['a', 'b']) {
        const built = { tenant, document, version: 1, generation };
        await store().saveChunks(built, { title: null, chunks: chunksOf(2) });
        await store().recordIndexed(built, [0, 1]);
        expect(await store().complete(built)).toBe(true);
      }
      expect([await active(), await missed()]).toEqual([{ generation, rebuilding: true }, 3]);

      // Written meanwhile: of the new generation, and not to be sent off again.
      await indexed(given(tenant, 'e', 'two'));
      await accepted(given(tenant, 'bb'));
      expect(await store().version({ tenant, document: 'e', version: 2 })).toMatchObject({ generation });
      await store().remove(tenant, 'd');
      await drain(tenant);
      expect(await rebuild(of, two)).toBe(2);
      expect((await drain(tenant)).map(({ subject }) => subject)).toEqual(['c', 'e']);
      expect(await stateOf({ tenant, document: 'e', version: 2 })).toBe('indexed');
      expect(await missed()).toBe(1);
      expect(await store().goOnRebuilding({ tenant })).toEqual({ sent: 0, waits: false, more: false });
    });

    test('asked for again goes on; asked for another generation begins anew, and all end in that', async () => {
      const tenant = newTenant();
      for (const name of ['a', 'b', 'c']) await indexed(given(tenant, name));
      await drain(tenant);
      const one = { documents: 1 };
      await store().beginRebuild({ tenant, generation: 'second' });
      await store().goOnRebuilding({ tenant }, one);
      await store().beginRebuild({ tenant, generation: 'second' });
      await store().goOnRebuilding({ tenant }, one);
      expect((await drain(tenant)).map(({ subject }) => subject)).toEqual(['a', 'b']);
      expect(await rebuild({ tenant, generation: 'third' }, one)).toBe(3);
      for (const document of ['a', 'b', 'c']) {
        expect(await store().version({ tenant, document, version: 1 })).toMatchObject({
          state: 'accepted',
          generation: 'third',
        });
      }
      expect(await drain(tenant)).toHaveLength(3);
    });

    test('takes as many documents at once as have about so many chunks, and one at least', async () => {
      const tenant = newTenant();
      for (const name of ['a', 'b', 'c', 'd']) await indexed(given(tenant, name), chunksOf(3));
      await drain(tenant);
      await store().beginRebuild({ tenant, generation: GENERATION });
      const batch = (chunks: number) => store().goOnRebuilding({ tenant }, { chunks });
      expect(await batch(1)).toEqual({ sent: 1, waits: false, more: true });
      expect(await batch(4)).toEqual({ sent: 2, waits: false, more: true });
      expect(await batch(4)).toEqual({ sent: 1, waits: false, more: true });
      expect(await batch(4)).toEqual({ sent: 0, waits: false, more: false });
    });

    test('is done once by many', async () => {
      const tenant = newTenant();
      const names = Array.from({ length: 12 }, (_, n) => `d${n}`);
      for (const name of names) await indexed(given(tenant, name));
      await drain(tenant);
      const sent = await Promise.all(
        [1, 2, 3].map(() => rebuild({ tenant, generation: 'new' }, { documents: 2 })),
      );
      // Whoever came when all was done began it once more, and found everything in the outbox.
      expect(sent.reduce((sum, part) => sum + part)).toBe(12);
      expect((await drain(tenant)).map(({ subject }) => subject).sort()).toEqual([...names].sort());
    });

    test('waits while much of the tenant waits, and does not count as what it has waiting', async () => {
      const tenant = newTenant();
      await indexed(given(tenant, 'a'));
      await store().accept(given(tenant, 'waiting'));
      await store().beginRebuild({ tenant, generation: 'other.8.c16o0' });
      const full = { waiting: 1 };
      expect(await store().goOnRebuilding({ tenant }, full)).toEqual({ sent: 0, waits: true, more: true });
      await drain(tenant);
      expect(await store().goOnRebuilding({ tenant }, full)).toMatchObject({ sent: 2, waits: false });
      expect((await store().backlog()).has(tenant)).toBe(false);
      while ((await store().goOnRebuilding({ tenant })).more);
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
