import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { everybody, given, newTenant } from './fixtures.ts';

/** What a repeat under the same key comes to. */
export function idempotencyContract(store: () => DocumentStore): void {
  describe('idempotency keys', () => {
    test('the same submission under the same key is the same acceptance, also under another id that was made for it', async () => {
      const tenant = newTenant();
      const first = await store().accept(given(tenant, 'a'), { idempotencyKey: 'k' });
      const second = await store().accept(given(tenant, 'b'), { idempotencyKey: 'k', madeId: true });
      expect(second).toEqual({ ...first, created: false });
      expect(await store().head(everybody(tenant), 'b')).toBeUndefined();
    });

    test('something else under the same key is a conflict and changes nothing', async () => {
      const tenant = newTenant();
      await store().accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' });
      const conflict = { code: 'conflict' };
      await expect(store().accept(given(tenant, 'a', 'y'), { idempotencyKey: 'k' })).rejects.toMatchObject(
        conflict,
      );
      await expect(store().accept(given(tenant, 'b', 'x'), { idempotencyKey: 'k' })).rejects.toMatchObject(
        conflict,
      );
      expect(await store().head(everybody(tenant), 'b')).toBeUndefined();
      expect((await store().head(everybody(tenant), 'a'))?.version).toBe(1);
    });

    test('keys belong to a tenant; a repeat after an update does not bring the old version back', async () => {
      const tenant = newTenant();
      await store().accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' });
      expect(await store().accept(given(newTenant(), 'a', 'y'), { idempotencyKey: 'k' })).toMatchObject({
        created: true,
      });
      await store().accept(given(tenant, 'a', 'y'));
      expect(await store().accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' })).toMatchObject({
        version: 1,
        state: 'superseded',
        created: false,
      });
    });

    test('where the key alone counts, something else under it is a repeat and changes nothing', async () => {
      const tenant = newTenant();
      const under = { idempotencyKey: 'k', keyAlone: true };
      expect(await store().acceptedUnder(tenant, 'k')).toBeUndefined();
      const first = await store().accept(given(tenant, 'a', 'x'), under);
      expect(await store().accept(given(tenant, 'a', 'y'), under)).toEqual({ ...first, created: false });
      expect(await store().accept(given(tenant, 'b', 'x'), under)).toEqual({ ...first, created: false });
      expect(await store().head(everybody(tenant), 'b')).toBeUndefined();
      await store().accept(given(tenant, 'a', 'z'));
      const stands = { document: 'a', version: 1, state: 'superseded', created: false };
      expect(await store().acceptedUnder(tenant, 'k')).toMatchObject(stands);
      expect(await store().acceptedUnder(newTenant(), 'k')).toBeUndefined();
    });

    test('the same key many at once is accepted once', async () => {
      const tenant = newTenant();
      const accepted = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          store().accept(given(tenant, `a${i}`), { idempotencyKey: 'k', madeId: true }),
        ),
      );
      expect(accepted.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(accepted.map(({ document }) => document)).size).toBe(1);
    });
  });
}
