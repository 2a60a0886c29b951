import { describe, expect, test } from 'vitest';
import { KnarrError } from '../../../errors.ts';
import type { DocumentStore } from '../port.ts';
import { given, newTenant, using } from './fixtures.ts';

/** Originals are removed when no version needs them. `age` makes a tenant's so old, milliseconds. */
export function originalsContract(
  store: () => DocumentStore,
  age: (tenant: string, ms: number) => Promise<void>,
): void {
  const { accepted, indexed } = using(store);

  describe('originals', () => {
    const old = { olderThanMs: -1000, limit: 1000 };
    const kept = (tenant: string, text: string) => store().keepOriginal(tenant, text, `${tenant}/${text}`);
    /** Those of the tenant that are removed; `remove` may fail for them. */
    async function purged(
      tenant: string,
      options = old,
      remove = async (_: string) => {},
    ): Promise<string[]> {
      const removed: string[] = [];
      await store().purgeOriginals(options, async (original) => {
        if (!original.startsWith(`${tenant}/`)) return;
        await remove(original);
        removed.push(original);
      });
      return removed.sort();
    }

    test('are removed when no version needs them, and not before', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two', 'never']) await kept(tenant, text);
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
        await kept(tenant, document);
        const ref = await accepted(given(tenant, document, document));
        await store().fail(ref, { code: 'unprocessable', message: 'broken' });
      }
      expect(await purged(tenant)).toEqual([]);
      await store().remove(tenant, 'a');
      await accepted(given(tenant, 'b', 'repaired'));
      expect(await purged(tenant)).toEqual([`${tenant}/a`, `${tenant}/b`]);
    });

    test('of the same content are one, for each tenant', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      const keys = [tenant, other].flatMap((of) =>
        ['x', 'y'].map((fresh) => store().keepOriginal(of, 'one', `${of}/${fresh}`)),
      );
      expect(new Set(await Promise.all(keys)).size).toBe(2);
      expect(await store().keepOriginal(tenant, 'two', `${tenant}/z`)).toBe(`${tenant}/z`);
    });

    test('whose removal has begun are put under another key, whatever comes of it', async () => {
      const tenant = newTenant();
      await kept(tenant, 'one');
      const again = () => store().keepOriginal(tenant, 'one', `${tenant}/again`);
      const lost = async () => {
        throw new KnarrError('unavailable', 'Its answer was lost.');
      };
      await expect(purged(tenant, old, lost)).rejects.toThrow('lost');
      expect([await again(), await again()]).toEqual([`${tenant}/again`, `${tenant}/again`]);
      await accepted(given(tenant, 'a', 'one', { original: `${tenant}/again` }));
      expect(await purged(tenant)).toEqual([`${tenant}/one`]);
      expect(await again()).toBe(`${tenant}/again`);
    });

    test('that are needed although their removal had begun are kept for as long', async () => {
      const tenant = newTenant();
      await kept(tenant, 'one');
      const away = async () => {
        throw new KnarrError('unavailable', 'away');
      };
      await expect(purged(tenant, old, away)).rejects.toThrow('away');
      // An older release's gateway asks nobody for a key.
      await accepted(given(tenant, 'a', 'one'));
      expect(await purged(tenant)).toEqual([]);
      await store().remove(tenant, 'a');
      expect(await purged(tenant)).toEqual([`${tenant}/one`]);
    });

    test('are removed while nothing waits for it', async () => {
      const tenant = newTenant();
      await kept(tenant, 'one');
      const meanwhile: string[] = [];
      const remove = async () => {
        await store().ping();
        meanwhile.push(await store().keepOriginal(tenant, 'one', `${tenant}/again`));
      };
      expect(await purged(tenant, old, remove)).toEqual([`${tenant}/one`]);
      expect(meanwhile).toEqual([`${tenant}/again`]);
    });

    test('that one purge has left half removed are removed by the next', async () => {
      const tenant = newTenant();
      await kept(tenant, 'one');
      // The first never ends, as one whose process has died.
      await new Promise<void>((begun) => {
        void purged(tenant, old, () => new Promise(() => begun()));
      });
      expect(await purged(tenant, { ...old, olderThanMs: 60_000 })).toEqual([]);
      expect(await purged(tenant)).toEqual([`${tenant}/one`]);
      expect(await purged(tenant)).toEqual([]);
    });

    test('one that cannot be removed holds up no other, and is tried again', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two', 'three']) await kept(tenant, text);
      const tried: string[] = [];
      const remove = async (original: string) => {
        tried.push(original);
        if (tried.length === 1) throw new Error('locked');
      };
      await expect(purged(tenant, old, remove)).rejects.toThrow('locked');
      expect(tried).toHaveLength(3);
      expect(await purged(tenant)).toEqual(tried.slice(0, 1));
    });

    test('are left for later when their store is away', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two', 'three']) await kept(tenant, text);
      let tried = 0;
      const remove = async () => {
        tried++;
        throw new KnarrError('unavailable', 'away');
      };
      await expect(purged(tenant, old, remove)).rejects.toThrow('away');
      expect(tried).toBe(1);
      expect(await purged(tenant)).toHaveLength(3);
    });

    test('are removed once by many, no more of them at once than asked for', async () => {
      const tenant = newTenant();
      for (let n = 0; n < 20; n++) await kept(tenant, `${n}`);
      const options = { olderThanMs: 3_600_000, limit: 5 };
      await age(tenant, options.olderThanMs + 1000);
      let goOn = () => {};
      const gate = new Promise<void>((open) => {
        goOn = open;
      });
      let first: Promise<string[]> = Promise.resolve([]);
      await new Promise<void>((begun) => {
        first = purged(tenant, options, () => {
          begun();
          return gate;
        });
      });
      const others = await Promise.all([1, 2, 3].map(() => purged(tenant, options)));
      goOn();
      const found = [await first, ...others];
      for (const some of found) expect(some.length).toBeLessThanOrEqual(options.limit);
      expect(found.flat().sort()).toEqual(Array.from({ length: 20 }, (_, n) => `${tenant}/${n}`).sort());
    });
  });
}
