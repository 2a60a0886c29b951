import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { everybody, newTenant } from './fixtures.ts';

/** Answers to asynchronous questions. */
export function answersContract(store: () => DocumentStore): void {
  describe('answers', () => {
    const soon = () => new Date(Date.now() + 60_000);

    test('end once, and only for their tenant', async () => {
      const tenant = newTenant();
      await store().createAnswer(everybody(tenant), 'q', soon());
      expect(await store().answer(everybody(tenant), 'q')).toMatchObject({ state: 'pending', result: null });
      await store().completeAnswer('somebody else', 'q', 'failed', {});
      await store().completeAnswer(tenant, 'q', 'answered', { answer: 'a\0' });
      await store().completeAnswer(tenant, 'q', 'failed', { late: true });
      expect(await store().answer(everybody(tenant), 'q')).toMatchObject({
        state: 'answered',
        result: { answer: 'a\ufffd' },
      });
      expect(await store().answer(everybody('somebody else'), 'q')).toBeUndefined();
    });

    test('are not made when too many are pending', async () => {
      const tenant = newTenant();
      const make = (id: string, expiresAt = soon()) =>
        store().createAnswer(everybody(tenant), id, expiresAt, { most: 2, keptMs: 10_000 });
      // Past its question's deadline.
      expect(await make('late', new Date(Date.now() + 5000))).toBe(true);
      const ids = ['a', 'b', 'c', 'd'];
      const made = await Promise.all(ids.map((id) => make(id)));
      expect(made.toSorted()).toEqual([false, false, true, true]);
      const [refused = '', pending = ''] = [ids[made.indexOf(false)], ids[made.indexOf(true)]];
      expect(await store().answer(everybody(tenant), refused)).toBeUndefined();
      await store().completeAnswer(tenant, pending, 'answered', {});
      expect([await make('e'), await make('f')]).toEqual([true, false]);
      expect(await store().createAnswer(everybody(tenant), 'g', soon())).toBe(true);
    });

    test('are gone when they have expired', async () => {
      const tenant = newTenant();
      await store().createAnswer(everybody(tenant), 'q', new Date(Date.now() - 1));
      expect(await store().answer(everybody(tenant), 'q')).toBeUndefined();
      await store().createAnswer(everybody(tenant), 'r', soon());
      await store().createAnswer(everybody(tenant), 'q', soon());
      expect(await store().answer(everybody(tenant), 'q')).toMatchObject({ state: 'pending' });
    });
  });
}
