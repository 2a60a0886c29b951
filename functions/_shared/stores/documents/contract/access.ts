import { describe, expect, test } from 'vitest';
import type { Caller } from '../../../stage.ts';
import type { DocumentStore, Written } from '../port.ts';
import { as, given, newTenant } from './fixtures.ts';

/** Who may read and write what, and what takes part in a write. */
export function accessContract(store: () => DocumentStore): void {
  describe('writing', () => {
    test('is for those who may read what is there, deleted or not', async () => {
      const tenant = newTenant();
      const [ann, bob] = [as(tenant, 'user:ann'), as(tenant, 'user:bob')];
      await store().accept(given(tenant, 'a', 'one', { acl: ['user:ann'] }), { caller: ann });
      const refused = { code: 'forbidden', status: 403 };
      // The same content too: an answer of "unchanged" would say what is there.
      for (const contentHash of ['one', 'two']) {
        const again = given(tenant, 'a', 'one', { acl: ['user:ann'], contentHash });
        await expect(store().accept(again, { caller: bob })).rejects.toMatchObject(refused);
      }
      expect(await store().remove(tenant, 'a', { caller: bob })).toBeUndefined();
      expect(await store().head(ann, 'a')).toMatchObject({ version: 1, contentHash: 'one' });
      expect(await store().remove(tenant, 'a', { caller: ann })).toMatchObject({ version: 2 });
      await expect(store().accept(given(tenant, 'a'), { caller: bob })).rejects.toMatchObject(refused);
      expect(await store().accept(given(tenant, 'a'), { caller: ann })).toMatchObject({ version: 3 });
    });

    test('stays within the collections of the caller', async () => {
      const tenant = newTenant();
      await store().accept(given(tenant, 'a', 'one', { collection: 'one' }));
      await store().accept(given(tenant, 'b', 'one', { collection: 'two' }));
      const caller = { ...as(tenant), collections: ['two'] };
      await expect(
        store().accept(given(tenant, 'a', 'one', { collection: 'two' }), { caller }),
      ).rejects.toMatchObject({
        code: 'forbidden',
      });
      expect(await store().remove(tenant, 'a', { caller })).toBeUndefined();
      expect(await store().head(caller, 'a')).toBeUndefined();
      expect((await store().list(caller, { limit: 9 })).items.map(({ document }) => document)).toEqual(['b']);
      expect(await store().history(caller, 'a', { limit: 9 })).toEqual([]);
      expect(await store().collections(caller)).toMatchObject([{ collection: 'two', documents: 1 }]);
    });

    test('takes along what belongs to it, or is undone with it', async () => {
      const tenant = newTenant();
      const seen: Omit<Written, 'acceptance'>[] = [];
      const within = async (_: unknown, { documents, bytes }: Written) =>
        void seen.push({ documents, bytes });
      await store().accept(given(tenant, 'a', 'one', { bytes: 10 }), { within });
      await store().accept(given(tenant, 'a', 'one', { bytes: 10 }), { within });
      await store().accept(given(tenant, 'a', 'one', { bytes: 4, contentHash: 'two' }), { within });
      await store().remove(tenant, 'a', { within });
      await store().remove(tenant, 'a', { within });
      await store().accept(given(tenant, 'a', 'one', { bytes: 7 }), { within });
      expect(seen).toEqual([
        { documents: 1, bytes: 10 },
        { documents: 0, bytes: -6 },
        { documents: -1, bytes: -4 },
        { documents: 1, bytes: 7 },
      ]);
      const refusing = async () => {
        throw new Error('refused');
      };
      await expect(store().remove(tenant, 'a', { within: refusing })).rejects.toThrow('refused');
      await expect(store().accept(given(tenant, 'b'), { within: refusing })).rejects.toThrow('refused');
      expect(await store().head(as(tenant), 'a')).toMatchObject({ version: 4 });
      expect(await store().head(as(tenant), 'b')).toBeUndefined();
    });
  });

  test('collections show what the caller may read, and are not there otherwise', async () => {
    const tenant = newTenant();
    await store().accept(given(tenant, 'a', 'one', { collection: 'open' }));
    await store().accept(given(tenant, 'b', 'one', { collection: 'open', acl: ['user:ann'] }));
    await store().accept(given(tenant, 'c', 'one', { collection: 'hidden', acl: ['user:ann'] }));
    await store().accept(given(tenant, 'd', 'one', { collection: 'emptied' }));
    await store().remove(tenant, 'd');
    const counts = async (caller: Caller) =>
      (await store().collections(caller)).map(({ collection, documents }) => [collection, documents]);
    expect(await counts(as(tenant))).toEqual([
      ['emptied', 0],
      ['open', 1],
    ]);
    expect(await counts(as(tenant, 'user:ann'))).toEqual([
      ['emptied', 0],
      ['hidden', 1],
      ['open', 2],
    ]);
    const enters = (caller: Caller, collection: string) => store().mayEnter(caller, collection);
    expect(await enters(as(tenant), 'open')).toBe(true);
    expect(await enters(as(tenant), 'hidden')).toBe(false);
    expect(await enters(as(tenant, 'user:ann'), 'hidden')).toBe(true);
    expect(await enters(as(newTenant()), 'open')).toBe(false);
    expect(await enters({ ...as(tenant), collections: ['x'] }, 'open')).toBe(false);
  });

  test('an answer is for those who may read all that its asker might', async () => {
    const tenant = newTenant();
    const ann = as(tenant, 'user:ann', 'group:a');
    await store().createAnswer(ann, 'q', new Date(Date.now() + 60_000));
    expect(await store().answer(ann, 'q')).toMatchObject({ principals: ann.principals });
    expect(await store().answer(as(tenant, 'group:b', 'group:a', 'user:ann'), 'q')).toBeDefined();
    expect(await store().answer(as(tenant, 'user:ann'), 'q')).toBeUndefined();
    expect(await store().answer(as(tenant), 'q')).toBeUndefined();
    expect(await store().answer({ ...ann, tenant: newTenant() }, 'q')).toBeUndefined();
  });
}
