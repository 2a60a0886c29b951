import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Hit } from '../../contracts.ts';
import { emit } from '../../events.ts';
import { accessContract } from './contract-access.ts';
import { recoveryContract } from './contract-recovery.ts';
import type { DocumentRef, DocumentStore, NewDocument, StoredChunk } from './port.ts';

let tenants = 0;
/** Each test has a tenant of its own, so that it sees only what it wrote. */
const newTenant = () => `tenant-${++tenants}`;

function given(
  tenant: string,
  document: string,
  content = 'content',
  more: Partial<NewDocument> = {},
): NewDocument {
  return {
    tenant,
    document,
    collection: 'default',
    generation: 'model.4.c32o4',
    title: null,
    uri: null,
    contentType: 'text/plain',
    contentHash: content,
    bytes: content.length,
    original: `${tenant}/${content}`,
    metadata: {},
    acl: ['*'],
    ...more,
  };
}

const chunk = (ordinal: number, text = `chunk ${ordinal}`): StoredChunk => ({
  chunk: ordinal,
  text,
  start: ordinal * 10,
  end: ordinal * 10 + text.length,
  headings: ['A', 'B'],
  tokens: 3,
});
const chunksOf = (count: number) => Array.from({ length: count }, (_, ordinal) => chunk(ordinal));
const hit = ({ document, version }: { document: string; version: number }, ordinal = 0): Hit => ({
  document,
  version,
  chunk: ordinal,
  score: 1,
});
const everybody = (tenant: string) => ({ tenant, principals: ['*'] });

/** What every documents store must do. `open` gives a store whose outbox claims last `claimMs` milliseconds. */
export function documentStoreContract(
  name: string,
  open: () => Promise<{ store: DocumentStore; claimMs: number; close: () => Promise<void> }>,
): void {
  describe(name, () => {
    let store: DocumentStore;
    let claimMs: number;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, claimMs, close } = await open());
    });
    afterAll(() => close?.());

    /** Accepts a document and brings it to `indexed`. */
    async function indexed(document: NewDocument, chunks = chunksOf(1)): Promise<DocumentRef> {
      const ref = { tenant: document.tenant, ...(await store.accept(document)) };
      await store.saveChunks(ref, { title: null, chunks });
      await store.recordIndexed(
        ref,
        chunks.map((each) => each.chunk),
      );
      await store.complete(ref);
      return ref;
    }
    const stateOf = async (ref: DocumentRef) => (await store.version(ref))?.state;
    /** Everything in the outbox, acknowledged. */
    async function drain(tenant: string) {
      const entries = await store.claimOutbox(1000);
      await store.ackOutbox(entries.map((entry) => entry.id));
      return entries.filter((entry) => entry.tenant === tenant).map((entry) => entry.emitted);
    }

    describe('acceptance', () => {
      test('gives versions 1, 2, …, supersedes the older and says so in the outbox', async () => {
        const tenant = newTenant();
        const first = await store.accept(given(tenant, 'a', 'one'));
        const second = await store.accept(given(tenant, 'a', 'two'), { traceparent: '00-aa-bb-01' });
        expect(first).toEqual({
          document: 'a',
          version: 1,
          state: 'accepted',
          collection: 'default',
          created: true,
        });
        expect(second).toMatchObject({ version: 2, created: true });
        expect(await stateOf({ tenant, document: 'a', version: 1 })).toBe('superseded');
        expect((await store.head(everybody(tenant), 'a'))?.version).toBe(2);
        const data = (version: number) => ({ document: 'a', version, collection: 'default' });
        expect(await drain(tenant)).toEqual([
          emit('document.accepted', 'a', data(1)),
          emit('document.accepted', 'a', data(2)),
        ]);
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
        await store.accept(document);
        const record = await store.head({ tenant, principals: ['group:"x, {y}'] }, 'a');
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
        await store.accept(given(tenant, 'a', 'x', { metadata }));
        const record = await store.head(everybody(tenant), 'a');
        expect(Object.entries(record?.metadata ?? {}).sort()).toEqual(Object.entries(metadata).sort());
      });

      test('the same again is a no-op, whatever the order of metadata and acl', async () => {
        const tenant = newTenant();
        const one = given(tenant, 'a', 'x', { metadata: { p: 1, q: 2 }, acl: ['user:a', 'user:b'] });
        await store.accept(one);
        await drain(tenant);
        const again = await store.accept({ ...one, metadata: { q: 2, p: 1 }, acl: ['user:b', 'user:a'] });
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
        await store.accept(given(tenant, 'a', 'x'));
        expect(await store.accept(given(tenant, 'a', 'x', change))).toMatchObject({
          version: 2,
          created: true,
        });
      });

      test('a title found in the text does not make the same submission a new one', async () => {
        const tenant = newTenant();
        const ref = { tenant, ...(await store.accept(given(tenant, 'a'))) };
        await store.saveChunks(ref, { title: 'Found', chunks: chunksOf(1) });
        expect((await store.version(ref))?.title).toBe('Found');
        expect(await store.accept(given(tenant, 'a'))).toMatchObject({ version: 1, created: false });
      });

      test('a failed document may be submitted again', async () => {
        const tenant = newTenant();
        const ref = { tenant, ...(await store.accept(given(tenant, 'a'))) };
        await store.fail(ref, { code: 'unprocessable', message: 'broken' });
        expect(await store.accept(given(tenant, 'a'))).toMatchObject({ version: 2, created: true });
        expect(await stateOf(ref)).toBe('dead_lettered');
      });

      test('many at once: every version once, one head, the others superseded', async () => {
        const tenant = newTenant();
        const accepted = await Promise.all(
          Array.from({ length: 20 }, (_, i) => store.accept(given(tenant, 'a', `content ${i}`))),
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
          Array.from({ length: 10 }, () => store.accept(given(tenant, 'a'))),
        );
        expect(accepted.filter(({ created }) => created)).toHaveLength(1);
      });

      test('the first document settles the generation of its collection', async () => {
        const tenant = newTenant();
        expect(await store.generationOf(tenant, 'default')).toBeUndefined();
        await store.accept(given(tenant, 'a', 'x', { generation: 'g1' }));
        await store.accept(given(tenant, 'b', 'x', { generation: 'g2' }));
        expect(await store.generationOf(tenant, 'default')).toBe('g1');
        expect((await store.head(everybody(tenant), 'b'))?.generation).toBe('g1');
        expect(await store.collections(everybody(tenant))).toEqual([
          { collection: 'default', documents: 2, generation: 'g1', rebuilding: 0 },
        ]);
      });
    });

    describe('idempotency keys', () => {
      test('the same submission under the same key is the same acceptance, also under another id that was made for it', async () => {
        const tenant = newTenant();
        const first = await store.accept(given(tenant, 'a'), { idempotencyKey: 'k' });
        const second = await store.accept(given(tenant, 'b'), { idempotencyKey: 'k', madeId: true });
        expect(second).toEqual({ ...first, created: false });
        expect(await store.head(everybody(tenant), 'b')).toBeUndefined();
      });

      test('something else under the same key is a conflict and changes nothing', async () => {
        const tenant = newTenant();
        await store.accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' });
        const conflict = { code: 'conflict' };
        await expect(store.accept(given(tenant, 'a', 'y'), { idempotencyKey: 'k' })).rejects.toMatchObject(
          conflict,
        );
        await expect(store.accept(given(tenant, 'b', 'x'), { idempotencyKey: 'k' })).rejects.toMatchObject(
          conflict,
        );
        expect(await store.head(everybody(tenant), 'b')).toBeUndefined();
        expect((await store.head(everybody(tenant), 'a'))?.version).toBe(1);
      });

      test('keys belong to a tenant; a repeat after an update does not bring the old version back', async () => {
        const tenant = newTenant();
        await store.accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' });
        expect(await store.accept(given(newTenant(), 'a', 'y'), { idempotencyKey: 'k' })).toMatchObject({
          created: true,
        });
        await store.accept(given(tenant, 'a', 'y'));
        expect(await store.accept(given(tenant, 'a', 'x'), { idempotencyKey: 'k' })).toMatchObject({
          version: 1,
          state: 'superseded',
          created: false,
        });
      });

      test('the same key many at once is accepted once', async () => {
        const tenant = newTenant();
        const accepted = await Promise.all(
          Array.from({ length: 10 }, (_, i) =>
            store.accept(given(tenant, `a${i}`), { idempotencyKey: 'k', madeId: true }),
          ),
        );
        expect(accepted.filter(({ created }) => created)).toHaveLength(1);
        expect(new Set(accepted.map(({ document }) => document)).size).toBe(1);
      });
    });

    describe('deletion', () => {
      test('is a version, once, and takes the text away', async () => {
        const tenant = newTenant();
        const ref = await indexed(given(tenant, 'a', 'x', { title: 'Secret', acl: ['user:ann'] }));
        await drain(tenant);
        expect(await store.remove(tenant, 'a')).toMatchObject({
          version: 2,
          state: 'deleted',
          created: true,
        });
        expect(await store.remove(tenant, 'a')).toBeUndefined();
        expect(await store.remove(tenant, 'never')).toBeUndefined();
        expect(await drain(tenant)).toEqual([
          emit('document.deleted', 'a', { document: 'a', version: 2, collection: 'default' }),
        ]);
        expect(await store.chunks(ref)).toEqual([]);
        expect(await stateOf(ref)).toBe('superseded');
        expect(await store.head(everybody(tenant), 'a')).toBeUndefined();
        expect(await store.head({ tenant, principals: ['user:ann'] }, 'a')).toMatchObject({
          state: 'deleted',
          version: 2,
          title: null,
        });
      });

      test('versions go on after it, even with the same content', async () => {
        const tenant = newTenant();
        await store.accept(given(tenant, 'a'));
        await store.remove(tenant, 'a');
        expect(await store.accept(given(tenant, 'a'))).toMatchObject({ version: 3, created: true });
      });
    });

    describe('progress', () => {
      test('chunks in batches, in any order, several times: one caller completes', async () => {
        const tenant = newTenant();
        const ref = { tenant, ...(await store.accept(given(tenant, 'a'))) };
        expect(await store.saveChunks(ref, { title: null, chunks: chunksOf(5) })).toBe(true);
        expect(await stateOf(ref)).toBe('chunked');
        expect(await store.recordIndexed(ref, [3, 4])).toEqual({ indexed: 2, total: 5 });
        expect(await stateOf(ref)).toBe('embedded');
        expect(await store.recordIndexed(ref, [4, 3])).toEqual({ indexed: 2, total: 5 });
        expect(await store.complete(ref)).toBe(false);
        await Promise.all([0, 1, 2, 0, 1, 2].map((ordinal) => store.recordIndexed(ref, [ordinal])));
        expect(await store.recordIndexed(ref, [0])).toEqual({ indexed: 5, total: 5 });
        expect(await stateOf(ref)).toBe('embedded');
        const completed = await Promise.all([1, 2, 3].map(() => store.complete(ref)));
        expect(completed.filter(Boolean)).toHaveLength(1);
        expect(await store.version(ref)).toMatchObject({ state: 'indexed', chunks: 5, indexedChunks: 5 });
      });

      test('a chunk that the version has not counts for nothing', async () => {
        const tenant = newTenant();
        const ref = { tenant, ...(await store.accept(given(tenant, 'a'))) };
        expect(await store.recordIndexed(ref, [0])).toMatchObject({ indexed: 0 });
        await store.saveChunks(ref, { title: null, chunks: chunksOf(1) });
        expect(await store.recordIndexed(ref, [7])).toEqual({ indexed: 0, total: 1 });
      });

      test('the same chunks again undo nothing; other chunks have to be indexed', async () => {
        const tenant = newTenant();
        const ref = await indexed(given(tenant, 'a'), chunksOf(3));
        await store.saveChunks(ref, { title: null, chunks: chunksOf(3) });
        expect(await stateOf(ref)).toBe('indexed');
        await store.saveChunks(ref, { title: null, chunks: [chunk(0), chunk(1, 'other')] });
        expect(await store.version(ref)).toMatchObject({ state: 'embedded', chunks: 2, indexedChunks: 1 });
        expect((await store.chunks(ref)).map(({ text }) => text)).toEqual(['chunk 0', 'other']);
      });

      test('an ended version takes no more work', async () => {
        const tenant = newTenant();
        const old = { tenant, ...(await store.accept(given(tenant, 'a', 'x'))) };
        await store.saveChunks(old, { title: null, chunks: chunksOf(2) });
        await store.accept(given(tenant, 'a', 'y'));
        expect(await store.saveChunks(old, { title: null, chunks: chunksOf(2) })).toBe(false);
        expect(await store.recordIndexed(old, [0, 1])).toEqual({ indexed: 0, total: 0 });
        expect(await store.fail(old, { code: 'internal', message: 'late' })).toBe(false);
        expect(await stateOf(old)).toBe('superseded');
        expect(await store.saveChunks({ ...old, version: 9 }, { title: null, chunks: [] })).toBe(false);
      });

      test('a failure has its reason and ends the version once', async () => {
        const tenant = newTenant();
        const ref = { tenant, ...(await store.accept(given(tenant, 'a'))) };
        expect(await store.fail(ref, { code: 'unprocessable', message: 'no\0text' })).toBe(true);
        expect(await store.fail(ref, { code: 'internal', message: 'again' })).toBe(false);
        expect(await store.version(ref)).toMatchObject({
          state: 'dead_lettered',
          error: { code: 'unprocessable', message: 'no\ufffdtext' },
        });
        expect(await store.saveChunks(ref, { title: null, chunks: chunksOf(1) })).toBe(false);
      });
    });

    describe('chunks', () => {
      test('come back with their document, all or some, in order', async () => {
        const tenant = newTenant();
        const document = given(tenant, 'a', 'x', {
          title: 'T',
          uri: 'https://example.org',
          metadata: { k: 1 },
        });
        const ref = await indexed(document, chunksOf(4));
        expect(await store.chunks(ref, [2, 0, 9])).toEqual(
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
        expect(await store.chunks(ref)).toHaveLength(4);
        expect(await store.chunks(ref, [])).toEqual([]);
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
        expect((await store.chunks(ref)).map(({ text }) => text)).toEqual(
          texts.map((text) => text.replace(/[\0\p{Cs}]/gu, '\ufffd')),
        );
      });
    });

    describe('what is current', () => {
      test('hits of the head, with neighbours, each chunk once', async () => {
        const tenant = newTenant();
        const ref = await indexed(given(tenant, 'a'), chunksOf(10));
        const found = await store.currentChunks(
          everybody(tenant),
          [hit(ref, 0), hit(ref, 2), hit(ref, 9)],
          1,
        );
        expect(found.map(({ chunk }) => chunk)).toEqual([0, 1, 2, 3, 8, 9]);
        expect(await store.currentChunks(everybody(tenant), [], 1)).toEqual([]);
      });

      test('never what is old, unfinished, failed, deleted, unknown or not for this caller', async () => {
        const tenant = newTenant();
        const caller = { tenant, principals: ['*', 'user:ann'] };
        const old = await indexed(given(tenant, 'old', 'x'));
        const updated = await indexed(given(tenant, 'old', 'y'));
        const unfinished = { tenant, ...(await store.accept(given(tenant, 'unfinished'))) };
        await store.saveChunks(unfinished, { title: null, chunks: chunksOf(2) });
        await store.recordIndexed(unfinished, [0]);
        const failed = { tenant, ...(await store.accept(given(tenant, 'failed'))) };
        await store.saveChunks(failed, { title: null, chunks: chunksOf(1) });
        await store.fail(failed, { code: 'internal', message: '' });
        const deleted = await indexed(given(tenant, 'deleted'));
        await store.remove(tenant, 'deleted');
        const hidden = await indexed(given(tenant, 'hidden', 'x', { acl: ['user:bob'] }));
        const nobody = await indexed(given(tenant, 'nobody', 'x', { acl: [] }));
        const mine = await indexed(given(tenant, 'mine', 'x', { acl: ['user:ann'] }));
        const foreign = await indexed(given(newTenant(), 'foreign'));
        const hits = [old, updated, unfinished, failed, deleted, hidden, nobody, mine, foreign].map((ref) =>
          hit(ref),
        );
        const found = await store.currentChunks(
          caller,
          [...hits, hit(mine, 7), hit({ document: 'none', version: 1 })],
          0,
        );
        expect(found.map(({ document, version }) => [document, version])).toEqual([
          ['mine', 1],
          ['old', 2],
        ]);
      });

      test('a thousand hits', async () => {
        const tenant = newTenant();
        const ref = await indexed(given(tenant, 'a'), chunksOf(1000));
        const hits = chunksOf(1000).map(({ chunk }) => hit(ref, chunk));
        expect(await store.currentChunks(everybody(tenant), hits, 5)).toHaveLength(1000);
      });
    });

    describe('the list', () => {
      test('comes in pages by id, and only what this caller may read', async () => {
        const tenant = newTenant();
        for (const document of ['b', 'ä', 'a', 'Z', '🛶', 'a/b?c'])
          await store.accept(given(tenant, document));
        await store.accept(given(tenant, 'hidden', 'x', { acl: ['user:bob'] }));
        await store.accept(given(tenant, 'gone'));
        await store.remove(tenant, 'gone');
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.list(everybody(tenant), { limit: 2, cursor });
          seen.push(...page.items.map(({ document }) => document));
          cursor = page.next;
        } while (cursor !== undefined);
        expect(seen).toEqual(['Z', 'a', 'a/b?c', 'b', 'ä', '🛶']);
        expect((await store.list(everybody(tenant), { limit: 6 })).next).toBeUndefined();
      });

      test('filters by collection and state', async () => {
        const tenant = newTenant();
        await indexed(given(tenant, 'a', 'x', { collection: 'one' }));
        await store.accept(given(tenant, 'b', 'x', { collection: 'two' }));
        await store.accept(given(tenant, 'c', 'x', { collection: 'two' }));
        await store.remove(tenant, 'c');
        const ids = async (options: object) =>
          (await store.list(everybody(tenant), { limit: 10, ...options })).items.map(
            ({ document }) => document,
          );
        expect(await ids({ collection: 'one' })).toEqual(['a']);
        expect(await ids({ state: 'accepted' })).toEqual(['b']);
        expect(await ids({ collection: 'two', state: 'deleted' })).toEqual(['c']);
        expect(await store.collections(everybody(tenant))).toMatchObject([
          { collection: 'one', documents: 1 },
          { collection: 'two', documents: 1 },
        ]);
      });

      test.each(['x', '', 'W10', 'WyJhIiwiYiJd', 'WzFd', 'eyJhIjoxfQ', 'WyJcdTAwMDAiXQ'])(
        'the cursor %j is refused',
        async (cursor) => {
          await expect(store.list(everybody('t'), { limit: 1, cursor })).rejects.toMatchObject({
            code: 'invalid_request',
          });
          await expect(
            store.deadLetters('t', { limit: 1, cursor: cursor === 'WyJhIiwiYiJd' ? 'WyJ4IiwiYiJd' : cursor }),
          ).rejects.toMatchObject({
            code: 'invalid_request',
          });
        },
      );
    });

    describe('the outbox', () => {
      test('a claim is exclusive, comes back when not acknowledged, and then counts an attempt', async () => {
        const tenant = newTenant();
        await drain(tenant);
        for (let i = 0; i < 20; i++)
          await store.accept(given(tenant, `d${i}`), { traceparent: `trace ${i}` });
        const claims = await Promise.all(Array.from({ length: 4 }, () => store.claimOutbox(7)));
        const ids = claims.flat().map(({ id }) => id);
        expect(ids).toHaveLength(20);
        expect(new Set(ids).size).toBe(20);
        expect(claims.flat().every(({ attempts }) => attempts === 1)).toBe(true);
        expect(claims.flat().map(({ traceparent }) => traceparent)).toContain('trace 7');
        await store.ackOutbox(ids.slice(0, 15));
        await new Promise((resolve) => setTimeout(resolve, claimMs + 50));
        const again = await store.claimOutbox(100);
        expect(again.map(({ id }) => id).sort()).toEqual(ids.slice(15).sort());
        expect(again.every(({ attempts }) => attempts === 2)).toBe(true);
        await store.ackOutbox(ids);
        await new Promise((resolve) => setTimeout(resolve, claimMs + 50));
        expect(await store.claimOutbox(100)).toEqual([]);
      });

      test('what has not ended is put back, once', async () => {
        const tenant = newTenant();
        await store.requeueUnfinished();
        const waiting = await store.accept(given(tenant, 'waiting'));
        await store.accept(given(tenant, 'stuck', 'old'));
        const stuck = { tenant, ...(await store.accept(given(tenant, 'stuck', 'new'))) };
        await indexed(given(tenant, 'done'));
        await drain(tenant);
        await store.saveChunks(stuck, { title: null, chunks: chunksOf(1) });
        expect(await store.requeueUnfinished()).toBeGreaterThanOrEqual(2);
        expect(await store.requeueUnfinished()).toBe(0);
        const data = ({ document, version }: { document: string; version: number }) => ({
          document,
          version,
          collection: 'default',
        });
        expect(await drain(tenant)).toEqual(
          [waiting, stuck].map((ref) => emit('document.accepted', ref.document, data(ref))),
        );
      });
    });

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
          await store.addDeadLetter(letter(tenant, id, i === 2 ? 1 : i));
        }
        await store.addDeadLetter({ ...letter(tenant, 'a', 9), message: 'again' });
        const first = await store.deadLetters(tenant, { limit: 3 });
        const second = await store.deadLetters(tenant, { limit: 3, cursor: first.next });
        expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(['e', 'd', 'c', 'b', 'a']);
        expect(second.next).toBeUndefined();
        expect(await store.deadLetter(tenant, 'a')).toEqual({
          ...letter(tenant, 'a', 0),
          attempts: 1,
          message: 'it\ufffdfailed',
          event: { ...letter(tenant, 'a', 0).event, data: { text: 'a\ufffd\ufffd', n: [1, null] } },
        });
        expect(await store.deadLetter('somebody else', 'a')).toBeUndefined();
        expect((await store.deadLetters('somebody else', { limit: 3 })).items).toEqual([]);
      });
    });

    describe('answers', () => {
      const soon = () => new Date(Date.now() + 60_000);

      test('end once, and only for their tenant', async () => {
        const tenant = newTenant();
        await store.createAnswer(everybody(tenant), 'q', soon());
        expect(await store.answer(everybody(tenant), 'q')).toMatchObject({ state: 'pending', result: null });
        await store.completeAnswer('somebody else', 'q', 'failed', {});
        await store.completeAnswer(tenant, 'q', 'answered', { answer: 'a\0' });
        await store.completeAnswer(tenant, 'q', 'failed', { late: true });
        expect(await store.answer(everybody(tenant), 'q')).toMatchObject({
          state: 'answered',
          result: { answer: 'a\ufffd' },
        });
        expect(await store.answer(everybody('somebody else'), 'q')).toBeUndefined();
      });

      test('are not made when too many are pending', async () => {
        const tenant = newTenant();
        const make = (id: string, expiresAt = soon()) =>
          store.createAnswer(everybody(tenant), id, expiresAt, { most: 2, keptMs: 10_000 });
        // Past its question's deadline.
        expect(await make('late', new Date(Date.now() + 5000))).toBe(true);
        const ids = ['a', 'b', 'c', 'd'];
        const made = await Promise.all(ids.map((id) => make(id)));
        expect(made.toSorted()).toEqual([false, false, true, true]);
        const [refused = '', pending = ''] = [ids[made.indexOf(false)], ids[made.indexOf(true)]];
        expect(await store.answer(everybody(tenant), refused)).toBeUndefined();
        await store.completeAnswer(tenant, pending, 'answered', {});
        expect([await make('e'), await make('f')]).toEqual([true, false]);
        expect(await store.createAnswer(everybody(tenant), 'g', soon())).toBe(true);
      });

      test('are gone when they have expired', async () => {
        const tenant = newTenant();
        await store.createAnswer(everybody(tenant), 'q', new Date(Date.now() - 1));
        expect(await store.answer(everybody(tenant), 'q')).toBeUndefined();
        await store.createAnswer(everybody(tenant), 'r', soon());
        await store.createAnswer(everybody(tenant), 'q', soon());
        expect(await store.answer(everybody(tenant), 'q')).toMatchObject({ state: 'pending' });
      });
    });

    recoveryContract(() => store);
    accessContract(() => store);

    test('it answers a ping', () => store.ping());
  });
}
