import { describe, expect, test } from 'vitest';
import { emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import type { NewDocument } from '../records.ts';
import { chunksOf, everybody, given, newTenant, using } from './fixtures.ts';

/** What makes a version of a submission, and what many submissions at once come to. */
export function acceptanceContract(store: () => DocumentStore): void {
  const { accepted, drain, stateOf } = using(store);

  describe('acceptance', () => {
    test('gives versions 1, 2, …, supersedes the older, whose event need not be said any more', async () => {
      const tenant = newTenant();
      const first = await store().accept(given(tenant, 'a', 'one'));
      const second = await store().accept(given(tenant, 'a', 'two'), { traceparent: '00-aa-bb-01' });
      expect(first).toEqual({
        document: 'a',
        version: 1,
        state: 'accepted',
        collection: 'default',
        created: true,
      });
      expect(second).toMatchObject({ version: 2, created: true });
      expect(await stateOf({ tenant, document: 'a', version: 1 })).toBe('superseded');
      expect((await store().head(everybody(tenant), 'a'))?.version).toBe(2);
      const data = (version: number) => ({ document: 'a', version, collection: 'default' });
      expect(await drain(tenant)).toEqual([emit('document.accepted', 'a', data(2))]);
    });

    test('the record says what was given', async () => {
      const tenant = newTenant();
      const document = given(tenant, 'a', 'x', {
        title: 'Größe 🛶',
        uri: 'https://example.org/a',
        bytes: 2 ** 40,
        metadata: {
          lang: 'de',
          year: 2020.5,
          open: true,
          tags: ['a', 'b'],
          'odd "key" \\u0000 ü': '\\u0000',
        },
        acl: ['user:ann', 'group:"x, {y}'],
      });
      await store().accept(document);
      const record = await store().head({ tenant, principals: ['group:"x, {y}'] }, 'a');
      expect(record).toMatchObject({
        ...document,
        version: 1,
        state: 'accepted',
        chunks: 0,
        indexedChunks: 0,
        error: null,
      });
      expect(Date.parse(record?.createdAt ?? '')).toBeGreaterThan(0);
    });

    test('metadata keys named like parts of Object survive', async () => {
      const tenant = newTenant();
      const metadata = JSON.parse('{"__proto__": "p", "constructor": "c", "toString": "t"}');
      await store().accept(given(tenant, 'a', 'x', { metadata }));
      const record = await store().head(everybody(tenant), 'a');
      expect(Object.entries(record?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
    });

    test('the same again is a no-op, whatever the order of metadata and acl', async () => {
      const tenant = newTenant();
      const one = given(tenant, 'a', 'x', { metadata: { p: 1, q: 2 }, acl: ['user:a', 'user:b'] });
      await store().accept(one);
      await drain(tenant);
      const again = await store().accept({ ...one, metadata: { q: 2, p: 1 }, acl: ['user:b', 'user:a'] });
      expect(again).toMatchObject({ version: 1, created: false });
      expect(await drain(tenant)).toEqual([]);
    });

    test.each([
      ['content', { contentHash: 'y' }],
      ['title', { title: 'other' }],
      ['metadata', { metadata: { a: 1 } }],
      ['acl', { acl: ['user:a'] }],
      ['media type', { contentType: 'text/markdown' }],
      ['uri', { uri: 'https://example.org' }],
    ] satisfies [string, Partial<NewDocument>][])('another %s is another version', async (_, change) => {
      const tenant = newTenant();
      await store().accept(given(tenant, 'a', 'x'));
      expect(await store().accept(given(tenant, 'a', 'x', change))).toMatchObject({
        version: 2,
        created: true,
      });
    });

    test('a title found in the text does not make the same submission a new one', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      await store().saveChunks(ref, { title: 'Found', chunks: chunksOf(1) });
      expect((await store().version(ref))?.title).toBe('Found');
      expect(await store().accept(given(tenant, 'a'))).toMatchObject({ version: 1, created: false });
    });

    test('a failed document may be submitted again', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      await store().fail(ref, { code: 'unprocessable', message: 'broken' });
      expect(await store().accept(given(tenant, 'a'))).toMatchObject({ version: 2, created: true });
      expect(await stateOf(ref)).toBe('dead_lettered');
    });

    test('many at once: every version once, one head, the others superseded', async () => {
      const tenant = newTenant();
      const accepted = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store().accept(given(tenant, 'a', `content ${i}`))),
      );
      expect(accepted.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      const states = await Promise.all(
        accepted.map(({ version }) => stateOf({ tenant, document: 'a', version })),
      );
      expect(states.filter((state) => state === 'superseded')).toHaveLength(19);
      expect(await stateOf({ tenant, document: 'a', version: 20 })).toBe('accepted');
    });

    test('the same many at once is accepted once', async () => {
      const tenant = newTenant();
      const accepted = await Promise.all(
        Array.from({ length: 10 }, () => store().accept(given(tenant, 'a'))),
      );
      expect(accepted.filter(({ created }) => created)).toHaveLength(1);
    });

    test('the first document settles the generation of its collection', async () => {
      const tenant = newTenant();
      expect(await store().generationOf(tenant, 'default')).toBeUndefined();
      await store().accept(given(tenant, 'a', 'x', { generation: 'g1' }));
      await store().accept(given(tenant, 'b', 'x', { generation: 'g2' }));
      expect(await store().generationOf(tenant, 'default')).toBe('g1');
      expect((await store().head(everybody(tenant), 'b'))?.generation).toBe('g1');
      expect(await store().collections(everybody(tenant))).toEqual([
        { collection: 'default', documents: 2, generation: 'g1', rebuilding: 0 },
      ]);
    });
  });
}
