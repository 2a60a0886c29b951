import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { newTenant } from './fixtures.ts';

/** What is kept of an event that could not be handled. */
export function deadLettersContract(store: () => DocumentStore): void {
  describe('dead letters', () => {
    const letter = (tenant: string, id: string, second: number) => ({
      tenant,
      id,
      event: {
        specversion: '1.0' as const,
        id,
        source: '/x',
        type: 't',
        data: { text: 'a\0\ud800', n: [1, null] },
      },
      code: '500',
      message: 'it\0failed',
      destination: 'http://embed',
      receivedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, second, 123)).toISOString(),
    });

    test('are kept once, listed newest first in pages, per tenant', async () => {
      const tenant = newTenant();
      for (const [i, id] of ['a', 'b', 'c', 'd', 'e'].entries()) {
        // b and c came in the same instant.
        await store().addDeadLetter(letter(tenant, id, i === 2 ? 1 : i));
      }
      await store().addDeadLetter({ ...letter(tenant, 'a', 9), message: 'again' });
      const first = await store().deadLetters(tenant, { limit: 3 });
      const second = await store().deadLetters(tenant, { limit: 3, cursor: first.next });
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(['e', 'd', 'c', 'b', 'a']);
      expect(second.next).toBeUndefined();
      expect(await store().deadLetter(tenant, 'a')).toEqual({
        ...letter(tenant, 'a', 0),
        attempts: 1,
        message: 'it\ufffdfailed',
        event: { ...letter(tenant, 'a', 0).event, data: { text: 'a\ufffd\ufffd', n: [1, null] } },
      });
      expect(await store().deadLetter('somebody else', 'a')).toBeUndefined();
      expect((await store().deadLetters('somebody else', { limit: 3 })).items).toEqual([]);
    });
  });
}
