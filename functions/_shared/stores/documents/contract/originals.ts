import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { given, newTenant, using } from './fixtures.ts';

/** Originals are removed when no version needs them. */
export function originalsContract(store: () => DocumentStore): void {
  const { accepted, indexed } = using(store);

  describe('originals', () => {
    const old = { olderThanMs: -1000, limit: 1000 };
    async function purged(tenant: string, options = old): Promise<string[]> {
      const removed: string[] = [];
      await store().purgeOriginals(options, async (original) => void removed.push(original));
      return removed.filter((original) => original.startsWith(`${tenant}/`)).sort();
    }

    test('are removed when no version needs them, and not before', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two', 'never']) await store().touchOriginal(tenant, `${tenant}/${text}`);
      await indexed(given(tenant, 'a', 'one'));
      await indexed(given(tenant, 'b', 'one'));
      expect(await purged(tenant, { ...old, olderThanMs: 60_000 })).toEqual([]);
      expect(await purged(tenant)).toEqual([`${tenant}/never`, `${tenant}/two`]);
      await store().remove(tenant, 'a');
      expect(await purged(tenant)).toEqual([]);
      await indexed(given(tenant, 'b', 'two'));
      expect(await purged(tenant)).toEqual([`${tenant}/one`]);
    });

    test('of a failed version are kept while it can be replayed, and no longer', async () => {
      const tenant = newTenant();
      for (const document of ['a', 'b']) {
        await store().touchOriginal(tenant, `${tenant}/${document}`);
        const ref = await accepted(given(tenant, document, document));
        await store().fail(ref, { code: 'unprocessable', message: 'broken' });
      }
      expect(await purged(tenant)).toEqual([]);
      await store().remove(tenant, 'a');
      await accepted(given(tenant, 'b', 'repaired'));
      expect(await purged(tenant)).toEqual([`${tenant}/a`, `${tenant}/b`]);
    });

    test('are removed one by one: those before one that fails are gone', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two']) await store().touchOriginal(tenant, `${tenant}/${text}`);
      const removed: string[] = [];
      const failing = store().purgeOriginals(old, async (original) => {
        if (removed.length > 0) throw new Error('disk');
        removed.push(original);
      });
      await expect(failing).rejects.toThrow('disk');
      expect([...removed, ...(await purged(tenant))].sort()).toEqual([`${tenant}/one`, `${tenant}/two`]);
    });

    test('are removed once by many', async () => {
      const tenant = newTenant();
      for (let n = 0; n < 20; n++) await store().touchOriginal(tenant, `${tenant}/${n}`);
      const found = await Promise.all([1, 2, 3, 4].map(() => purged(tenant)));
      expect(found.flat()).toHaveLength(20);
    });

    test('that could not be removed are tried again', async () => {
      const tenant = newTenant();
      await store().touchOriginal(tenant, `${tenant}/x`);
      const failing = store().purgeOriginals(old, async () => {
        throw new Error('disk');
      });
      await expect(failing).rejects.toThrow('disk');
      expect(await purged(tenant)).toEqual([`${tenant}/x`]);
    });
  });
}
