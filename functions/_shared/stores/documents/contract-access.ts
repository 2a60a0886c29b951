import { describe, expect, test } from 'vitest';
import { type EventData, type EventName, emit, toCloudEvent } from '../../events.ts';
import type { Caller } from '../../stage.ts';
import type { DocumentStore, NewDocument, Written } from './port.ts';

let tenants = 0;
const newTenant = () => `shared-${++tenants}`;
const content = (tenant: string, document: string, more: Partial<NewDocument> = {}): NewDocument => ({
  tenant,
  document,
  collection: 'default',
  generation: 'model.4.c32o4',
  title: null,
  uri: null,
  contentType: 'text/plain',
  contentHash: 'one',
  bytes: 10,
  original: `${tenant}/one`,
  metadata: {},
  acl: ['*'],
  ...more,
});
const as = (tenant: string, ...principals: string[]): Caller => ({
  tenant,
  principals: ['*', ...principals],
});

/** Who may read and write what, and what takes part in a write. */
export function accessContract(opened: () => DocumentStore): void {
  describe('writing', () => {
    test('is for those who may read what is there, deleted or not', async () => {
      const store = opened();
      const tenant = newTenant();
      const [ann, bob] = [as(tenant, 'user:ann'), as(tenant, 'user:bob')];
      await store.accept(content(tenant, 'a', { acl: ['user:ann'] }), { caller: ann });
      const refused = { code: 'forbidden', status: 403 };
      // The same content too: an answer of "unchanged" would say what is there.
      for (const contentHash of ['one', 'two']) {
        const again = content(tenant, 'a', { acl: ['user:ann'], contentHash });
        await expect(store.accept(again, { caller: bob })).rejects.toMatchObject(refused);
      }
      expect(await store.remove(tenant, 'a', { caller: bob })).toBeUndefined();
      expect(await store.head(ann, 'a')).toMatchObject({ version: 1, contentHash: 'one' });
      expect(await store.remove(tenant, 'a', { caller: ann })).toMatchObject({ version: 2 });
      await expect(store.accept(content(tenant, 'a'), { caller: bob })).rejects.toMatchObject(refused);
      expect(await store.accept(content(tenant, 'a'), { caller: ann })).toMatchObject({ version: 3 });
    });

    test('stays within the collections of the caller', async () => {
      const store = opened();
      const tenant = newTenant();
      await store.accept(content(tenant, 'a', { collection: 'one' }));
      await store.accept(content(tenant, 'b', { collection: 'two' }));
      const caller = { ...as(tenant), collections: ['two'] };
      await expect(
        store.accept(content(tenant, 'a', { collection: 'two' }), { caller }),
      ).rejects.toMatchObject({
        code: 'forbidden',
      });
      expect(await store.remove(tenant, 'a', { caller })).toBeUndefined();
      expect(await store.head(caller, 'a')).toBeUndefined();
      expect((await store.list(caller, { limit: 9 })).items.map(({ document }) => document)).toEqual(['b']);
      expect(await store.history(caller, 'a', { limit: 9 })).toEqual([]);
      expect(await store.collections(caller)).toMatchObject([{ collection: 'two', documents: 1 }]);
    });

    test('takes along what belongs to it, or is undone with it', async () => {
      const store = opened();
      const tenant = newTenant();
      const seen: Omit<Written, 'acceptance'>[] = [];
      const within = async (_: unknown, { documents, bytes }: Written) =>
        void seen.push({ documents, bytes });
      await store.accept(content(tenant, 'a', { bytes: 10 }), { within });
      await store.accept(content(tenant, 'a', { bytes: 10 }), { within });
      await store.accept(content(tenant, 'a', { bytes: 4, contentHash: 'two' }), { within });
      await store.remove(tenant, 'a', { within });
      await store.remove(tenant, 'a', { within });
      await store.accept(content(tenant, 'a', { bytes: 7 }), { within });
      expect(seen).toEqual([
        { documents: 1, bytes: 10 },
        { documents: 0, bytes: -6 },
        { documents: -1, bytes: -4 },
        { documents: 1, bytes: 7 },
      ]);
      const refusing = async () => {
        throw new Error('refused');
      };
      await expect(store.remove(tenant, 'a', { within: refusing })).rejects.toThrow('refused');
      await expect(store.accept(content(tenant, 'b'), { within: refusing })).rejects.toThrow('refused');
      expect(await store.head(as(tenant), 'a')).toMatchObject({ version: 4 });
      expect(await store.head(as(tenant), 'b')).toBeUndefined();
    });
  });

  test('collections show what the caller may read, and are not there otherwise', async () => {
    const store = opened();
    const tenant = newTenant();
    await store.accept(content(tenant, 'a', { collection: 'open' }));
    await store.accept(content(tenant, 'b', { collection: 'open', acl: ['user:ann'] }));
    await store.accept(content(tenant, 'c', { collection: 'hidden', acl: ['user:ann'] }));
    await store.accept(content(tenant, 'd', { collection: 'emptied' }));
    await store.remove(tenant, 'd');
    const counts = async (caller: Caller) =>
      (await store.collections(caller)).map(({ collection, documents }) => [collection, documents]);
    expect(await counts(as(tenant))).toEqual([
      ['emptied', 0],
      ['open', 1],
    ]);
    expect(await counts(as(tenant, 'user:ann'))).toEqual([
      ['emptied', 0],
      ['hidden', 1],
      ['open', 2],
    ]);
    const enters = (caller: Caller, collection: string) => store.mayEnter(caller, collection);
    expect(await enters(as(tenant), 'open')).toBe(true);
    expect(await enters(as(tenant), 'hidden')).toBe(false);
    expect(await enters(as(tenant, 'user:ann'), 'hidden')).toBe(true);
    expect(await enters(as(newTenant()), 'open')).toBe(false);
    expect(await enters({ ...as(tenant), collections: ['x'] }, 'open')).toBe(false);
  });

  test('an answer is for those who may read all that its asker might', async () => {
    const store = opened();
    const tenant = newTenant();
    const ann = as(tenant, 'user:ann', 'group:a');
    await store.createAnswer(ann, 'q', new Date(Date.now() + 60_000));
    expect(await store.answer(ann, 'q')).toMatchObject({ principals: ann.principals });
    expect(await store.answer(as(tenant, 'group:b', 'group:a', 'user:ann'), 'q')).toBeDefined();
    expect(await store.answer(as(tenant, 'user:ann'), 'q')).toBeUndefined();
    expect(await store.answer(as(tenant), 'q')).toBeUndefined();
    expect(await store.answer({ ...ann, tenant: newTenant() }, 'q')).toBeUndefined();
  });

  describe('a dead letter is readable', () => {
    async function letter<N extends EventName>(
      tenant: string,
      id: string,
      name: N,
      subject: string,
      data: unknown,
    ) {
      await opened().addDeadLetter({
        tenant,
        id,
        event: toCloudEvent('gateway', emit(name, subject, data as EventData<N>), { tenant }),
        code: 'internal',
        message: 'broken',
        destination: '',
        receivedAt: new Date().toISOString(),
      });
    }
    const ids = async (readableBy: Caller) =>
      (await opened().deadLetters(readableBy.tenant, { limit: 9, readableBy })).items
        .map(({ id }) => id)
        .sort();

    test('with its document: that version, and what is current now', async () => {
      const tenant = newTenant();
      const [ann, bob] = [as(tenant, 'user:ann'), as(tenant, 'user:bob')];
      const accepted = (document: string, version: unknown, more = {}) =>
        letter(tenant, `${document}${version}`, 'document.accepted', document, {
          document,
          version,
          collection: 'default',
          ...more,
        });
      await opened().accept(content(tenant, 'a', { acl: ['user:ann'] }));
      await opened().accept(content(tenant, 'b'));
      await opened().accept(content(tenant, 'c'));
      await accepted('a', 1);
      await accepted('b', 1);
      await opened().accept(content(tenant, 'b', { acl: ['user:ann'] }));
      await accepted('c', 1);
      await accepted('c', 'x');
      await accepted('none', 1);
      expect(await ids(ann)).toEqual(['a1', 'b1', 'c1']);
      expect(await ids(bob)).toEqual(['c1']);
      expect(await ids({ ...ann, collections: ['other'] })).toEqual([]);
      expect(await ids(as(newTenant(), 'user:ann'))).toEqual([]);
      // A document that has left the caller's collections takes its letters along.
      await opened().accept(content(tenant, 'c', { collection: 'other' }));
      expect(await ids({ ...ann, collections: ['default'] })).toEqual(['a1', 'b1']);
      expect(await ids({ ...ann, collections: ['default', 'other'] })).toEqual(['a1', 'b1', 'c1']);
      expect((await opened().deadLetters(tenant, { limit: 9 })).items).toHaveLength(5);
      expect(await opened().replay(tenant, { readableBy: bob }, 9)).toBe(1);
    });

    test('with its question or submission', async () => {
      const tenant = newTenant();
      const ann = as(tenant, 'user:ann');
      const ask = { query: 'q', collection: 'default', principals: ann.principals };
      await letter(tenant, 'question', 'query.asked', 'q', ask);
      await letter(tenant, 'broken', 'query.asked', 'q', { ...ask, principals: undefined });
      await letter(tenant, 'open', 'document.submitted', 'd', { document: 'd' });
      await letter(tenant, 'listed', 'document.submitted', 'd', { document: 'd', acl: ['user:ann'] });
      await letter(tenant, 'own', 'document.submitted', 'd', {
        document: 'd',
        acl: ['group:x'],
        submitter: { actor: 'user:ann', principals: ann.principals },
      });
      expect(await ids(ann)).toEqual(['listed', 'open', 'own', 'question']);
      expect(await ids(as(tenant, 'user:bob'))).toEqual(['open']);
    });
  });
}
