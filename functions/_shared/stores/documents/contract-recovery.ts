import { describe, expect, test } from 'vitest';
import { type Emitted, emit, toCloudEvent } from '../../events.ts';
import type { DocumentRef, DocumentStore, NewDocument, StoredChunk } from './port.ts';

const GENERATION = 'model.4.c32o4';
let tenants = 0;
const newTenant = () => `recovering-${++tenants}`;
const content = (tenant: string, document: string, text = 'one'): NewDocument => ({
  tenant,
  document,
  collection: 'default',
  generation: GENERATION,
  title: null,
  uri: null,
  contentType: 'text/plain',
  contentHash: text,
  bytes: 1,
  original: `${tenant}/${text}`,
  metadata: {},
  acl: ['*'],
});
const CHUNK: StoredChunk = { chunk: 0, text: 'words', start: 0, end: 5, headings: [], tokens: 2 };
const now = { afterMs: -1000, attempts: 2, limit: 1000 };

/** What a documents store must do for work that was lost, and for what is to be forgotten. */
export function recoveryContract(opened: () => DocumentStore): void {
  async function accepted(tenant: string, document: string, text?: string): Promise<DocumentRef> {
    const { version } = await opened().accept(content(tenant, document, text));
    return { tenant, document, version };
  }
  async function indexed(tenant: string, document: string, text?: string): Promise<DocumentRef> {
    const ref = await accepted(tenant, document, text);
    await opened().saveChunks(ref, { title: null, chunks: [CHUNK] });
    await opened().recordIndexed(ref, [0]);
    await opened().complete(ref);
    return ref;
  }
  async function drain(tenant: string) {
    const entries = await opened().claimOutbox(1000);
    await opened().ackOutbox(entries.map(({ id }) => id));
    return entries.filter((entry) => entry.tenant === tenant).map(({ emitted }) => emitted);
  }
  const stateOf = async (ref: DocumentRef) => (await opened().version(ref))?.state;
  const hopelessOf = async (tenant: string) =>
    (await opened().redriveStuck(now)).hopeless.filter((ref) => ref.tenant === tenant);

  describe('what stands still', () => {
    test('is sent off again, a number of times, and is then without hope', async () => {
      const tenant = newTenant();
      const ref = await accepted(tenant, 'a');
      expect(await hopelessOf(tenant)).toEqual([]);
      expect(await drain(tenant)).toHaveLength(1);
      const again = emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default' });
      for (let time = 0; time < 2; time++) {
        expect(await hopelessOf(tenant)).toEqual([]);
        expect(await drain(tenant)).toEqual([again]);
      }
      expect(await hopelessOf(tenant)).toMatchObject([{ ...ref, collection: 'default', state: 'accepted' }]);
      expect(await drain(tenant)).toEqual([]);
    });

    test('is not what waits in the outbox, moved lately or has ended', async () => {
      const tenant = newTenant();
      await accepted(tenant, 'waiting');
      expect((await drain(tenant)).length).toBe(1);
      await opened().redriveStuck({ ...now, afterMs: 60_000 });
      expect(await drain(tenant)).toEqual([]);
      await indexed(tenant, 'waiting', 'two');
      await drain(tenant);
      await opened().redriveStuck(now);
      expect(await drain(tenant)).toEqual([]);
    });

    test('is also a deletion that nobody confirmed, for ever', async () => {
      const tenant = newTenant();
      await indexed(tenant, 'a');
      await opened().remove(tenant, 'a');
      await drain(tenant);
      const deleted = emit('document.deleted', 'a', { document: 'a', version: 2, collection: 'default' });
      for (let time = 0; time < 4; time++) {
        expect(await hopelessOf(tenant)).toEqual([]);
        expect(await drain(tenant)).toEqual([deleted]);
      }
      await opened().recordRemoved({ tenant, document: 'a', version: 2 });
      await opened().redriveStuck(now);
      expect(await drain(tenant)).toEqual([]);
    });

    test('is sent off once by many sweepers', async () => {
      const tenant = newTenant();
      for (let n = 0; n < 30; n++) await accepted(tenant, `d${n}`);
      await drain(tenant);
      await Promise.all([1, 2, 3, 4].map(() => opened().redriveStuck(now)));
      expect(await drain(tenant)).toHaveLength(30);
    });
  });

  describe('rebuilding', () => {
    test('sends off every indexed version of a collection, to be embedded afresh', async () => {
      const tenant = newTenant();
      const ref = await indexed(tenant, 'a');
      await accepted(tenant, 'unfinished');
      await opened().accept({ ...content(tenant, 'elsewhere'), collection: 'other' });
      await drain(tenant);
      expect(await opened().redriveAll({ tenant, collection: 'default', generation: GENERATION })).toBe(1);
      expect(await opened().redriveAll({ tenant, collection: 'default', generation: GENERATION })).toBe(0);
      expect(await drain(tenant)).toMatchObject([{ data: { document: 'a', version: 1, afresh: true } }]);
      expect(await stateOf(ref)).toBe('indexed');
    });

    test('moves a collection to another generation: what it holds is built anew in it', async () => {
      const store = opened();
      const tenant = newTenant();
      const generation = 'other.8.c16o0';
      const ref = await indexed(tenant, 'a');
      const failed = await accepted(tenant, 'failed');
      await store.fail(failed, { code: 'model_mismatch', message: 'another model' });
      await indexed(tenant, 'older');
      const underWay = await accepted(tenant, 'older', 'two');
      await store.accept({ ...content(tenant, 'elsewhere'), collection: 'other' });
      await store.remove(tenant, (await indexed(tenant, 'gone')).document);
      await drain(tenant);

      expect(await store.redriveAll({ tenant, collection: 'default', generation })).toBe(2);
      expect((await drain(tenant)).map(({ subject }) => subject).sort()).toEqual(['a', 'older']);
      expect(await store.activeIndex(tenant, 'default')).toEqual({ generation, rebuilding: true });
      expect(await store.activeIndex(tenant, 'other')).toEqual({ generation: GENERATION, rebuilding: false });
      expect(await store.version(ref)).toMatchObject({ state: 'accepted', generation, indexedChunks: 0 });
      expect(await store.version(failed)).toMatchObject({ state: 'dead_lettered', generation });
      const [collection] = await store.collections({ tenant, principals: ['*'] });
      expect(collection).toMatchObject({ collection: 'default', rebuilding: 2 });

      // Work that was under way for the generation before counts no more.
      const old = { ...ref, generation: GENERATION };
      expect(await store.saveChunks(old, { title: null, chunks: [CHUNK] })).toBe(false);
      for (const moved of [ref, underWay]) {
        const built = { ...moved, generation };
        expect(await store.saveChunks(built, { title: null, chunks: [CHUNK] })).toBe(true);
        expect(await store.recordIndexed({ ...moved, generation: GENERATION }, [0])).toMatchObject({
          total: 0,
        });
        expect(await store.complete(moved)).toBe(false);
        expect(await store.recordIndexed(built, [0])).toEqual({ indexed: 1, total: 1 });
        expect(await store.complete(moved)).toBe(true);
      }
      expect(await store.activeIndex(tenant, 'default')).toEqual({ generation, rebuilding: false });
      expect((await store.accept(content(tenant, 'new'))).created).toBe(true);
      expect(await store.version({ tenant, document: 'new', version: 1 })).toMatchObject({ generation });
    });

    test('what the vector store should hold comes in order, in pages', async () => {
      const tenant = newTenant();
      for (const document of ['c', 'a', 'b']) await indexed(tenant, document);
      await accepted(tenant, 'a', 'two');
      const found: string[] = [];
      let after: readonly [string, string, number] | undefined;
      for (;;) {
        const [row] = await opened().expectedChunks(after, 1);
        if (!row) break;
        if (row.tenant === tenant) found.push(row.document);
        after = [row.tenant, row.document, row.chunk];
      }
      expect(found).toEqual(['b', 'c']);
      const refs = ['a', 'b', 'x'].map((document) => ({ document, version: 1, chunk: 0 }));
      expect((await opened().liveChunks(tenant, refs)).map(({ document }) => document)).toEqual(['b']);
      expect(await opened().underWay(tenant, ['a', 'b', 'x'])).toEqual(new Set(['a']));
    });
  });

  describe('a dead letter', () => {
    async function lettered(tenant: string, document: string, id = document): Promise<DocumentRef> {
      const ref = await accepted(tenant, document);
      await drain(tenant);
      const data = { document, version: ref.version, collection: 'default' };
      await opened().addDeadLetter({
        tenant,
        id,
        event: toCloudEvent('gateway', emit('document.accepted', document, data), { tenant }),
        code: 'unprocessable',
        message: 'broken',
        destination: 'http://ingest',
        receivedAt: new Date().toISOString(),
      });
      return ref;
    }
    async function failed(tenant: string, document: string, id = document): Promise<DocumentRef> {
      const ref = await lettered(tenant, document, id);
      await opened().fail(ref, { code: 'unprocessable', message: 'broken' });
      return ref;
    }
    const ids = async (tenant: string, filter: object = {}) =>
      (await opened().deadLetters(tenant, { limit: 10, ...filter })).items.map(({ id }) => id).sort();

    test('is found by type, code, subject', async () => {
      const tenant = newTenant();
      await failed(tenant, 'a');
      await failed(tenant, 'b');
      expect(await ids(tenant, { subject: 'a' })).toEqual(['a']);
      expect(await ids(tenant, { code: 'unprocessable' })).toEqual(['a', 'b']);
      expect(await ids(tenant, { code: 'internal' })).toEqual([]);
      expect(await ids(tenant, { type: 'dev.knarr.document.accepted.v1' })).toEqual(['a', 'b']);
    });

    test('replayed, opens its version again and is gone until it fails again', async () => {
      const tenant = newTenant();
      const ref = await failed(tenant, 'a');
      expect(await opened().replay(tenant, { id: 'a' }, 10)).toBe(1);
      expect(await opened().version(ref)).toMatchObject({ state: 'accepted', error: null });
      expect(await drain(tenant)).toEqual([
        emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default' }),
      ]);
      expect(await ids(tenant)).toEqual([]);
      expect(await opened().replay(tenant, {}, 10)).toBe(0);
      const { version } = ref;
      const event = emit('document.accepted', 'a', { document: 'a', version, collection: 'default' });
      await opened().addDeadLetter({
        tenant,
        id: 'a',
        event: toCloudEvent('gateway', event, { tenant }),
        code: 'internal',
        message: 'worse',
        destination: '',
        receivedAt: new Date().toISOString(),
      });
      expect(await opened().deadLetter(tenant, 'a')).toMatchObject({ attempts: 2, code: 'internal' });
    });

    test('of a version that is no longer current opens nothing', async () => {
      const tenant = newTenant();
      const old = await failed(tenant, 'a');
      await indexed(tenant, 'a', 'two');
      await drain(tenant);
      expect(await opened().replay(tenant, {}, 10)).toBe(1);
      expect(await stateOf(old)).toBe('dead_lettered');
      expect(await drain(tenant)).toEqual([]);
    });

    test.each(['replaced', 'deleted'])(
      'replayed while its document is being %s, opens nothing',
      async (how) => {
        const tenant = newTenant();
        const old = await failed(tenant, 'a');
        let replay: Promise<number> | undefined;
        // The write is done but for its commit; the replay comes now.
        const within = async () => {
          replay = opened().replay(tenant, { id: 'a' }, 10);
          await Promise.race([replay, new Promise((resolve) => setTimeout(resolve, 300))]);
        };
        if (how === 'deleted') await opened().remove(tenant, 'a', { within });
        else await opened().accept(content(tenant, 'a', 'two'), { within });
        await replay;
        expect(await stateOf(old)).toBe('dead_lettered');
        const said = (await drain(tenant)).map(({ data }) => (data as { version: number }).version);
        expect(said).toEqual([2]);
      },
    );

    test('is replayed once by many', async () => {
      const tenant = newTenant();
      for (const document of ['a', 'b', 'c']) await failed(tenant, document);
      const replayed = await Promise.all([1, 2, 3, 4].map(() => opened().replay(tenant, {}, 10)));
      expect(replayed.reduce((sum, count) => sum + count)).toBe(3);
      expect(await drain(tenant)).toHaveLength(3);
    });

    test('is replayed with all or some others, for its tenant alone', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      for (const document of ['a', 'b', 'c']) await failed(tenant, document);
      await failed(other, 'a');
      expect(await opened().replay(tenant, { subject: 'b' }, 10)).toBe(1);
      expect(await opened().replay(tenant, {}, 1)).toBe(1);
      expect(await opened().replay(tenant, {}, 10)).toBe(1);
      expect(await ids(other)).toEqual(['a']);
    });

    test('of a version that goes on is gone when that is indexed; a replay sends it off at once', async () => {
      const tenant = newTenant();
      await lettered(tenant, 'other');
      const ref = await lettered(tenant, 'a');
      expect(await opened().replay(tenant, { id: 'a' }, 10)).toBe(1);
      expect(await drain(tenant)).toMatchObject([{ data: { document: 'a', version: 1 } }]);
      await lettered(tenant, 'b');
      expect(await ids(tenant)).toEqual(['b', 'other']);
      for (const document of ['a', 'b']) {
        await opened().saveChunks({ ...ref, document }, { title: null, chunks: [CHUNK] });
        await opened().recordIndexed({ ...ref, document }, [0]);
        expect(await opened().complete({ ...ref, document })).toBe(true);
      }
      expect(await ids(tenant)).toEqual(['other']);
    });

    test('goes with the document it tells of', async () => {
      const tenant = newTenant();
      await failed(tenant, 'a');
      await opened().remove(tenant, 'a');
      expect(await ids(tenant)).toEqual([]);
    });
  });

  describe('a late dead letter', () => {
    const SECRET = 'what nobody may read any more';
    async function late(tenant: string, emitted: Emitted, more: { time?: string | undefined } = {}) {
      const event = { ...toCloudEvent('gateway', emitted, { tenant }), ...more };
      await opened().addDeadLetter({
        tenant,
        id: `${emitted.name} ${more.time}`,
        event,
        code: 'internal',
        message: 'broken',
        destination: '',
        receivedAt: new Date().toISOString(),
      });
      return JSON.stringify((await opened().deadLetters(tenant, { limit: 10 })).items);
    }
    const cut = (version: number) =>
      emit('chunks.created', 'a', {
        ...{ document: 'a', version, collection: 'default', generation: 'g', batch: 0, batches: 1 },
        chunks: [{ chunk: 0, context: '', text: SECRET }],
      });
    const submitted = emit('document.submitted', 'a', { document: 'a', text: SECRET });

    test('of a version that was replaced or deleted is not kept, nor its text', async () => {
      const tenant = newTenant();
      const ref = await accepted(tenant, 'a');
      // That it has failed before makes no difference.
      await opened().fail(ref, { code: 'internal', message: 'broken' });
      await accepted(tenant, 'a', 'two');
      expect(await late(tenant, cut(1))).toBe('[]');
      expect(await late(tenant, cut(2))).toContain(SECRET);
      await opened().remove(tenant, 'a');
      expect(await late(tenant, cut(2))).toBe('[]');
    });

    test('is not kept either when it comes while its document is being deleted', async () => {
      const tenant = newTenant();
      const ref = await accepted(tenant, 'a');
      await opened().fail(ref, { code: 'internal', message: 'broken' });
      let kept: Promise<string> | undefined;
      const within = async () => {
        kept = late(tenant, cut(1));
        await Promise.race([kept, new Promise((resolve) => setTimeout(resolve, 300))]);
      };
      await opened().remove(tenant, 'a', { within });
      expect(await kept).toBe('[]');
    });

    test('of what was submitted before the deletion is not kept, of what came after it is', async () => {
      const tenant = newTenant();
      await accepted(tenant, 'a');
      await opened().remove(tenant, 'a');
      await accepted(tenant, 'a', 'two');
      const [before, after] = [-60_000, 60_000].map((ms) => new Date(Date.now() + ms).toISOString());
      expect(await late(tenant, submitted, { time: before })).toBe('[]');
      expect(await late(tenant, submitted, { time: undefined })).toBe('[]');
      expect(await late(tenant, submitted, { time: after })).toContain(SECRET);
    });

    test('goes with the document that its data names, whatever its envelope says', async () => {
      const tenant = newTenant();
      await accepted(tenant, 'a');
      expect(await late(tenant, { ...submitted, subject: 'else' })).toContain(SECRET);
      await opened().remove(tenant, 'a');
      expect((await opened().deadLetters(tenant, { limit: 10 })).items).toEqual([]);
    });
  });

  describe('originals', () => {
    const old = { olderThanMs: -1000, limit: 1000 };
    async function purged(tenant: string, options = old): Promise<string[]> {
      const removed: string[] = [];
      await opened().purgeOriginals(options, async (original) => void removed.push(original));
      return removed.filter((original) => original.startsWith(`${tenant}/`)).sort();
    }

    test('are removed when no version needs them, and not before', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two', 'never']) await opened().touchOriginal(tenant, `${tenant}/${text}`);
      await indexed(tenant, 'a', 'one');
      await indexed(tenant, 'b', 'one');
      expect(await purged(tenant, { ...old, olderThanMs: 60_000 })).toEqual([]);
      expect(await purged(tenant)).toEqual([`${tenant}/never`, `${tenant}/two`]);
      await opened().remove(tenant, 'a');
      expect(await purged(tenant)).toEqual([]);
      await indexed(tenant, 'b', 'two');
      expect(await purged(tenant)).toEqual([`${tenant}/one`]);
    });

    test('of a failed version are kept while it can be replayed, and no longer', async () => {
      const tenant = newTenant();
      for (const document of ['a', 'b']) {
        await opened().touchOriginal(tenant, `${tenant}/${document}`);
        const ref = await accepted(tenant, document, document);
        await opened().fail(ref, { code: 'unprocessable', message: 'broken' });
      }
      expect(await purged(tenant)).toEqual([]);
      await opened().remove(tenant, 'a');
      await accepted(tenant, 'b', 'repaired');
      expect(await purged(tenant)).toEqual([`${tenant}/a`, `${tenant}/b`]);
    });

    test('are removed one by one: those before one that fails are gone', async () => {
      const tenant = newTenant();
      for (const text of ['one', 'two']) await opened().touchOriginal(tenant, `${tenant}/${text}`);
      const removed: string[] = [];
      const failing = opened().purgeOriginals(old, async (original) => {
        if (removed.length > 0) throw new Error('disk');
        removed.push(original);
      });
      await expect(failing).rejects.toThrow('disk');
      expect([...removed, ...(await purged(tenant))].sort()).toEqual([`${tenant}/one`, `${tenant}/two`]);
    });

    test('are removed once by many', async () => {
      const tenant = newTenant();
      for (let n = 0; n < 20; n++) await opened().touchOriginal(tenant, `${tenant}/${n}`);
      const found = await Promise.all([1, 2, 3, 4].map(() => purged(tenant)));
      expect(found.flat()).toHaveLength(20);
    });

    test('that could not be removed are tried again', async () => {
      const tenant = newTenant();
      await opened().touchOriginal(tenant, `${tenant}/x`);
      const failing = opened().purgeOriginals(old, async () => {
        throw new Error('disk');
      });
      await expect(failing).rejects.toThrow('disk');
      expect(await purged(tenant)).toEqual([`${tenant}/x`]);
    });
  });
}
