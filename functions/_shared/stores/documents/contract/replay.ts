import { describe, expect, test } from 'vitest';
import { emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import type { DocumentRef } from '../records.ts';
import { chunksOf, everybody, given, letter, newTenant, using } from './fixtures.ts';

/** By what a dead letter is found, what its replay brings about, and when it is gone. */
export function replayContract(store: () => DocumentStore): void {
  const { accepted, indexed, drain, stateOf } = using(store);

  describe('a dead letter', () => {
    async function lettered(tenant: string, document: string, id = document): Promise<DocumentRef> {
      const ref = await accepted(given(tenant, document));
      await drain(tenant);
      const data = { document, version: ref.version, collection: 'default' };
      const event = emit('document.accepted', document, data);
      await store().addDeadLetter(letter(tenant, id, event, { code: 'unprocessable' }));
      return ref;
    }
    async function failed(tenant: string, document: string, id = document): Promise<DocumentRef> {
      const ref = await lettered(tenant, document, id);
      await store().fail(ref, { code: 'unprocessable', message: 'broken' });
      return ref;
    }
    const ids = async (tenant: string, filter: object = {}) =>
      (await store().deadLetters(tenant, { limit: 10, ...filter })).items.map(({ id }) => id).sort();

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
      expect(await store().replay(tenant, { id: 'a' }, 10)).toBe(1);
      expect(await store().version(ref)).toMatchObject({ state: 'accepted', error: null });
      expect(await drain(tenant)).toEqual([
        emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default' }),
      ]);
      expect(await ids(tenant)).toEqual([]);
      expect(await store().replay(tenant, {}, 10)).toBe(0);
      const { version } = ref;
      const event = emit('document.accepted', 'a', { document: 'a', version, collection: 'default' });
      await store().addDeadLetter(letter(tenant, 'a', event, { message: 'worse' }));
      expect(await store().deadLetter(tenant, 'a')).toMatchObject({ attempts: 2, code: 'internal' });
    });

    test('that comes once more after its replay ends nothing, however often', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      const event = emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default' });
      const first = letter(tenant, 'a', event);
      expect(await store().addDeadLetter(first)).toBe(true);
      expect(await store().addDeadLetter(first)).toBe(true);
      await store().fail(ref, { code: 'unprocessable', message: 'broken' });
      await new Promise((resolve) => setTimeout(resolve, 5));
      const twin = { ...first, event: { ...first.event, time: new Date().toISOString() } };
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await store().replay(tenant, {}, 10)).toBe(1);
      for (let time = 0; time < 3; time++) expect(await store().addDeadLetter(first)).toBe(false);
      expect(await ids(tenant)).toEqual([]);
      // The same event, said before the replay and given up after it.
      expect(await store().addDeadLetter(twin)).toBe(false);
      expect(await ids(tenant)).toEqual([]);
      const second = { ...first, event: { ...first.event, time: new Date(Date.now() + 1000).toISOString() } };
      expect(await store().addDeadLetter(second)).toBe(true);
      expect(await ids(tenant)).toEqual(['a']);
    });

    test('of a question gives it as much time again as it had', async () => {
      const tenant = newTenant();
      const caller = everybody(tenant);
      await store().createAnswer(caller, 'q', new Date(Date.now() + 60_000), undefined);
      const data = { query: 'q', collection: 'default', principals: ['*'] };
      const asked = letter(tenant, 'q', emit('query.asked', 'q', data as never));
      await store().addDeadLetter(asked);
      await store().completeAnswer(tenant, 'q', 'failed', { code: 'internal' });
      const before = (await store().answer(caller, 'q'))?.expiresAt ?? '';
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await store().replay(tenant, {}, 10)).toBe(1);
      const answer = await store().answer(caller, 'q');
      expect(answer).toMatchObject({ state: 'pending' });
      expect(Date.parse(answer?.expiresAt ?? '') - Date.parse(before)).toBeGreaterThanOrEqual(50);
      // What is said again as it was, and fails as it did, is a failure again.
      expect(await store().addDeadLetter(asked)).toBe(true);
      expect(await ids(tenant)).toEqual(['q']);
    });

    test('of a version that is no longer current opens nothing', async () => {
      const tenant = newTenant();
      const old = await failed(tenant, 'a');
      await indexed(given(tenant, 'a', 'two'));
      await drain(tenant);
      expect(await store().replay(tenant, {}, 10)).toBe(1);
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
          replay = store().replay(tenant, { id: 'a' }, 10);
          await Promise.race([replay, new Promise((resolve) => setTimeout(resolve, 300))]);
        };
        if (how === 'deleted') await store().remove(tenant, 'a', { within });
        else await store().accept(given(tenant, 'a', 'two'), { within });
        await replay;
        expect(await stateOf(old)).toBe('dead_lettered');
        const said = (await drain(tenant)).map(({ data }) => (data as { version: number }).version);
        expect(said).toEqual([2]);
      },
    );

    test('is replayed once by many', async () => {
      const tenant = newTenant();
      for (const document of ['a', 'b', 'c']) await failed(tenant, document);
      const replayed = await Promise.all([1, 2, 3, 4].map(() => store().replay(tenant, {}, 10)));
      expect(replayed.reduce((sum, count) => sum + count)).toBe(3);
      expect(await drain(tenant)).toHaveLength(3);
    });

    test('is replayed with all or some others, for its tenant alone', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      for (const document of ['a', 'b', 'c']) await failed(tenant, document);
      await failed(other, 'a');
      expect(await store().replay(tenant, { subject: 'b' }, 10)).toBe(1);
      expect(await store().replay(tenant, {}, 1)).toBe(1);
      expect(await store().replay(tenant, {}, 10)).toBe(1);
      expect(await ids(other)).toEqual(['a']);
    });

    test('of a version that goes on is gone when that is indexed; a replay sends it off at once', async () => {
      const tenant = newTenant();
      await lettered(tenant, 'other');
      const ref = await lettered(tenant, 'a');
      expect(await store().replay(tenant, { id: 'a' }, 10)).toBe(1);
      expect(await drain(tenant)).toMatchObject([{ data: { document: 'a', version: 1 } }]);
      await lettered(tenant, 'b');
      expect(await ids(tenant)).toEqual(['b', 'other']);
      for (const document of ['a', 'b']) {
        await store().saveChunks({ ...ref, document }, { title: null, chunks: chunksOf(1) });
        await store().recordIndexed({ ...ref, document }, [0]);
        expect(await store().complete({ ...ref, document })).toBe(true);
      }
      expect(await ids(tenant)).toEqual(['other']);
    });

    test('goes with the document it tells of', async () => {
      const tenant = newTenant();
      await failed(tenant, 'a');
      await store().remove(tenant, 'a');
      expect(await ids(tenant)).toEqual([]);
    });

    test("is kept for a time, and that of a document's newest version for good, until it is replayed", async () => {
      const tenant = newTenant();
      await failed(tenant, 'newest');
      await failed(tenant, 'replaced');
      await accepted(given(tenant, 'replaced', 'two'));
      const submitted = emit('document.submitted', 'submitted', { document: 'submitted', text: 'Text.' });
      await store().addDeadLetter(letter(tenant, 'submitted', submitted));
      const ages = { replayedMs: 60_000, keptMs: 60_000 };
      await store().purgeDeadLetters(ages);
      expect(await ids(tenant)).toEqual(['newest', 'replaced', 'submitted']);
      // As if a minute had passed.
      await store().purgeDeadLetters({ ...ages, keptMs: -60_000 });
      expect(await ids(tenant)).toEqual(['newest']);
    });
  });
}
