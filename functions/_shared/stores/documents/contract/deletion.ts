import { describe, expect, test } from 'vitest';
import { emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import { everybody, given, newTenant, using } from './fixtures.ts';

/** A deletion is a version that takes the text away. */
export function deletionContract(store: () => DocumentStore): void {
  const { indexed, drain, stateOf } = using(store);

  describe('deletion', () => {
    test('is a version, once, and takes the text away', async () => {
      const tenant = newTenant();
      const ref = await indexed(given(tenant, 'a', 'x', { title: 'Secret', acl: ['user:ann'] }));
      await drain(tenant);
      expect(await store().remove(tenant, 'a')).toMatchObject({
        version: 2,
        state: 'deleted',
        created: true,
      });
      expect(await store().remove(tenant, 'a')).toBeUndefined();
      expect(await store().remove(tenant, 'never')).toBeUndefined();
      expect(await drain(tenant)).toEqual([
        emit('document.deleted', 'a', { document: 'a', version: 2, collection: 'default' }),
      ]);
      expect(await store().chunks(ref)).toEqual([]);
      expect(await stateOf(ref)).toBe('superseded');
      expect(await store().head(everybody(tenant), 'a')).toBeUndefined();
      expect(await store().head({ tenant, principals: ['user:ann'] }, 'a')).toMatchObject({
        state: 'deleted',
        version: 2,
        title: null,
      });
    });

    test('versions go on after it, even with the same content', async () => {
      const tenant = newTenant();
      await store().accept(given(tenant, 'a'));
      await store().remove(tenant, 'a');
      expect(await store().accept(given(tenant, 'a'))).toMatchObject({ version: 3, created: true });
    });
  });
}
