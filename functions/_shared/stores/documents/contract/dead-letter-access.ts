import { describe, expect, test } from 'vitest';
import { type EventData, type EventName, emit } from '../../../events.ts';
import type { Caller } from '../../../stage.ts';
import type { DocumentStore } from '../port.ts';
import { as, given, letter, newTenant } from './fixtures.ts';

/** A dead letter is for those who may read what it carries. */
export function deadLetterAccessContract(store: () => DocumentStore): void {
  describe('a dead letter is readable', () => {
    async function add<N extends EventName>(
      tenant: string,
      id: string,
      name: N,
      subject: string,
      data: unknown,
    ) {
      await store().addDeadLetter(letter(tenant, id, emit(name, subject, data as EventData<N>)));
    }
    const ids = async (readableBy: Caller) =>
      (await store().deadLetters(readableBy.tenant, { limit: 9, readableBy })).items
        .map(({ id }) => id)
        .sort();

    test('with its document: that version, and what is current now', async () => {
      const tenant = newTenant();
      const [ann, bob] = [as(tenant, 'user:ann'), as(tenant, 'user:bob')];
      const accepted = (document: string, version: unknown, more = {}) =>
        add(tenant, `${document}${version}`, 'document.accepted', document, {
          document,
          version,
          collection: 'default',
          ...more,
        });
      await store().accept(given(tenant, 'a', 'one', { acl: ['user:ann'] }));
      await store().accept(given(tenant, 'b'));
      await store().accept(given(tenant, 'c'));
      await accepted('a', 1);
      await accepted('b', 1);
      await store().accept(given(tenant, 'b', 'one', { acl: ['user:ann'] }));
      await accepted('c', 1);
      await accepted('c', 'x');
      await accepted('none', 1);
      expect(await ids(ann)).toEqual(['a1', 'b1', 'c1']);
      expect(await ids(bob)).toEqual(['c1']);
      expect(await ids({ ...ann, collections: ['other'] })).toEqual([]);
      expect(await ids(as(newTenant(), 'user:ann'))).toEqual([]);
      // A document that has left the caller's collections takes its letters along.
      await store().accept(given(tenant, 'c', 'one', { collection: 'other' }));
      expect(await ids({ ...ann, collections: ['default'] })).toEqual(['a1', 'b1']);
      expect(await ids({ ...ann, collections: ['default', 'other'] })).toEqual(['a1', 'b1', 'c1']);
      expect((await store().deadLetters(tenant, { limit: 9 })).items).toHaveLength(5);
      expect(await store().replay(tenant, { readableBy: bob }, 9)).toBe(1);
    });

    test('with its question or submission', async () => {
      const tenant = newTenant();
      const ann = as(tenant, 'user:ann');
      const ask = { query: 'q', collection: 'default', principals: ann.principals };
      await add(tenant, 'question', 'query.asked', 'q', ask);
      await add(tenant, 'broken', 'query.asked', 'q', { ...ask, principals: undefined });
      await add(tenant, 'open', 'document.submitted', 'd', { document: 'd' });
      await add(tenant, 'listed', 'document.submitted', 'd', { document: 'd', acl: ['user:ann'] });
      await add(tenant, 'own', 'document.submitted', 'd', {
        document: 'd',
        acl: ['group:x'],
        submitter: { actor: 'user:ann', principals: ann.principals },
      });
      expect(await ids(ann)).toEqual(['listed', 'open', 'own', 'question']);
      expect(await ids(as(tenant, 'user:bob'))).toEqual(['open']);
    });
  });
}
