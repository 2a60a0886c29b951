import { describe, expect, test } from 'vitest';
import type { DocumentStore } from '../port.ts';
import { chunk, chunksOf, given, newTenant, using } from './fixtures.ts';

/** What is kept of a text. */
export function chunksContract(store: () => DocumentStore): void {
  const { indexed } = using(store);

  describe('chunks', () => {
    test('come back with their document, all or some, in order', async () => {
      const tenant = newTenant();
      const document = given(tenant, 'a', 'x', {
        title: 'T',
        uri: 'https://example.org',
        metadata: { k: 1 },
      });
      const ref = await indexed(document, chunksOf(4));
      expect(await store().chunks(ref, [2, 0, 9])).toEqual(
        [0, 2].map((ordinal) => ({
          ...chunk(ordinal),
          document: 'a',
          version: 1,
          collection: 'default',
          generation: document.generation,
          title: 'T',
          uri: 'https://example.org',
          metadata: { k: 1 },
          acl: ['*'],
        })),
      );
      expect(await store().chunks(ref)).toHaveLength(4);
      expect(await store().chunks(ref, [])).toEqual([]);
    });

    test('any text is kept; what PostgreSQL cannot hold is replaced one for one', async () => {
      const tenant = newTenant();
      const texts = [
        '',
        'a\0b',
        '\ud800x',
        'x\udc00',
        '🛶\u2028\\u0000\\',
        '\u0001\u007f\ufeff',
        `"';--`,
        'ä'.repeat(50_000),
      ];
      const ref = await indexed(
        given(tenant, 'a'),
        texts.map((text, i) => chunk(i, text)),
      );
      expect((await store().chunks(ref)).map(({ text }) => text)).toEqual(
        texts.map((text) => text.replace(/[\0\p{Cs}]/gu, '\ufffd')),
      );
    });
  });
}
