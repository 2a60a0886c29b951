import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { everybody, given, newTenant, using } from './fixtures.ts';

/** Pages of documents, and the cursors that lead through them. */
export function listContract(store: () => DocumentStore): void {
  const { indexed } = using(store);

  describe('the list', () => {
    test('comes in pages by id, and only what this caller may read', async () => {
      const tenant = newTenant();
      for (const document of ['b', 'ä', 'a', 'Z', '🛶', 'a/b?c'])
        await store().accept(given(tenant, document));
      await store().accept(given(tenant, 'hidden', 'x', { acl: ['user:bob'] }));
      await store().accept(given(tenant, 'gone'));
      await store().remove(tenant, 'gone');
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store().list(everybody(tenant), { limit: 2, cursor });
        seen.push(...page.items.map(({ document }) => document));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(seen).toEqual(['Z', 'a', 'a/b?c', 'b', 'ä', '🛶']);
      expect((await store().list(everybody(tenant), { limit: 6 })).next).toBeUndefined();
    });

    test('filters by collection and state', async () => {
      const tenant = newTenant();
      await indexed(given(tenant, 'a', 'x', { collection: 'one' }));
      await store().accept(given(tenant, 'b', 'x', { collection: 'two' }));
      await store().accept(given(tenant, 'c', 'x', { collection: 'two' }));
      await store().remove(tenant, 'c');
      const ids = async (options: object) =>
        (await store().list(everybody(tenant), { limit: 10, ...options })).items.map(
          ({ document }) => document,
        );
      expect(await ids({ collection: 'one' })).toEqual(['a']);
      expect(await ids({ state: 'accepted' })).toEqual(['b']);
      expect(await ids({ collection: 'two', state: 'deleted' })).toEqual(['c']);
      expect(await store().collections(everybody(tenant))).toMatchObject([
        { collection: 'one', documents: 1 },
        { collection: 'two', documents: 1 },
      ]);
    });

    test.each(['x', '', 'W10', 'WyJhIiwiYiJd', 'WzFd', 'eyJhIjoxfQ', 'WyJcdTAwMDAiXQ'])(
      'the cursor %j is refused',
      async (cursor) => {
        await expect(store().list(everybody('t'), { limit: 1, cursor })).rejects.toMatchObject({
          code: 'invalid_request',
        });
        await expect(
          store().deadLetters('t', { limit: 1, cursor: cursor === 'WyJhIiwiYiJd' ? 'WyJ4IiwiYiJd' : cursor }),
        ).rejects.toMatchObject({
          code: 'invalid_request',
        });
      },
    );
  });
}
