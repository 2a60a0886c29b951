import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { chunksOf, everybody, given, hit, newTenant, using } from './fixtures.ts';

/** Which of the hits of a search may be shown. */
export function currentContract(store: () => DocumentStore): void {
  const { accepted, indexed } = using(store);

  describe('what is current', () => {
    test('hits of the head, with neighbours, each chunk once', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a'), chunksOf(10));
      const found = await store().currentChunks(
        everybody(tenant),
        [hit(ref, 0), hit(ref, 2), hit(ref, 9)],
        1,
      );
      expect(found.map(({ chunk }) => chunk)).toEqual([0, 1, 2, 3, 8, 9]);
      expect(await store().currentChunks(everybody(tenant), [], 1)).toEqual([]);
    });

    test('never what is old, unfinished, failed, deleted, unknown or not for this caller', async () => {
      const tenant = newTenant();
      const caller = { tenant, principals: ['*', 'user:ann'] };
      const old = await indexed(given(tenant, 'old', 'x'));
      const updated = await indexed(given(tenant, 'old', 'y'));
      const unfinished = await accepted(given(tenant, 'unfinished'));
      await store().saveChunks(unfinished, { title: null, chunks: chunksOf(2) });
      await store().recordIndexed(unfinished, [0]);
      const failed = await accepted(given(tenant, 'failed'));
      await store().saveChunks(failed, { title: null, chunks: chunksOf(1) });
      await store().fail(failed, { code: 'internal', message: '' });
      const deleted = await indexed(given(tenant, 'deleted'));
      await store().remove(tenant, 'deleted');
      const hidden = await indexed(given(tenant, 'hidden', 'x', { acl: ['user:bob'] }));
      const nobody = await indexed(given(tenant, 'nobody', 'x', { acl: [] }));
      const mine = await indexed(given(tenant, 'mine', 'x', { acl: ['user:ann'] }));
      const foreign = await indexed(given(newTenant(), 'foreign'));
      const hits = [old, updated, unfinished, failed, deleted, hidden, nobody, mine, foreign].map((ref) =>
        hit(ref),
      );
      const found = await store().currentChunks(
        caller,
        [...hits, hit(mine, 7), hit({ document: 'none', version: 1 })],
        0,
      );
      expect(found.map(({ document, version }) => [document, version])).toEqual([
        ['mine', 1],
        ['old', 2],
      ]);
    });

    test('a thousand hits', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a'), chunksOf(1000));
      const hits = chunksOf(1000).map(({ chunk }) => hit(ref, chunk));
      expect(await store().currentChunks(everybody(tenant), hits, 5)).toHaveLength(1000);
    });
  });
}
