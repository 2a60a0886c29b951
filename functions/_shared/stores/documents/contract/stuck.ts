import { describe, expect, test } from 'vitest';
import { type Emitted, emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import type { DocumentRef } from '../records.ts';
import { given, letter, newTenant, using } from './fixtures.ts';

/** Work that was lost is sent off again, so long as there is hope. */
export function stuckContract(store: () => DocumentStore): void {
  const { accepted, indexed, finish, drain } = using(store);
  const now = { afterMs: -1000, attempts: 2, limit: 1000, foremost: 1000 };
  const hopelessOf = async (tenant: string) =>
    (await store().redriveStuck(now)).hopeless.filter((ref) => ref.tenant === tenant);

  describe('what stands still', () => {
    test('is sent off again, a number of times, and is then without hope', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
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
      await accepted(given(tenant, 'waiting'));
      expect((await drain(tenant)).length).toBe(1);
      await store().redriveStuck({ ...now, afterMs: 60_000 });
      expect(await drain(tenant)).toEqual([]);
      await indexed(given(tenant, 'waiting', 'two'));
      await drain(tenant);
      await store().redriveStuck(now);
      expect(await drain(tenant)).toEqual([]);
    });

    test('is found whatever waits in the outbox under its name', async () => {
      const tenant = newTenant();
      await accepted(given(tenant, 'a'));
      await drain(tenant);
      for (const version of ['abc', '1', 1.5, null, { of: 1 }]) {
        const odd = { name: 'document.submitted', subject: 'a', data: { document: 'a', version } };
        const id = JSON.stringify(version);
        await store().addDeadLetter(
          letter(tenant, id, odd as unknown as Emitted, { code: 'invalid_request' }),
        );
        expect(await store().replay(tenant, { id }, 10)).toBe(1);
      }
      expect(await hopelessOf(tenant)).toEqual([]);
      const said = await drain(tenant);
      expect(said.filter(({ name }) => name === 'document.submitted')).toHaveLength(5);
      expect(said.filter(({ name }) => name === 'document.accepted')).toMatchObject([
        { data: { version: 1 } },
      ]);
    });

    test('is not what waits its turn in the Broker: only what was overtaken, or is foremost', async () => {
      const tenant = newTenant();
      const due = { afterMs: 0, attempts: 9, limit: 1000 };
      const sentTogether = async (...documents: string[]) => {
        const refs = [];
        for (const document of documents) refs.push(await accepted(given(tenant, document)));
        await drain(tenant);
        return refs;
      };
      const again = async (foremost: number) => {
        await store().redriveStuck({ ...due, foremost });
        return (await drain(tenant)).map(({ subject }) => subject).sort();
      };
      await sentTogether('first', 'second');
      const [third] = (await sentTogether('third', 'fourth')) as [DocumentRef, DocumentRef];
      await sentTogether('fifth');
      expect(await again(0)).toEqual([]);
      await finish(third);
      expect(await again(0)).toEqual(['first', 'second']);
      expect(await again(1000)).toEqual(['fifth', 'first', 'fourth', 'second']);
    });

    test('is also a deletion that nobody confirmed, for ever', async () => {
      const tenant = newTenant();
      await indexed(given(tenant, 'a'));
      await store().remove(tenant, 'a');
      await drain(tenant);
      const deleted = emit('document.deleted', 'a', { document: 'a', version: 2, collection: 'default' });
      for (let time = 0; time < 4; time++) {
        expect(await hopelessOf(tenant)).toEqual([]);
        expect(await drain(tenant)).toEqual([deleted]);
      }
      await store().recordRemoved({ tenant, document: 'a', version: 2 });
      await store().redriveStuck(now);
      expect(await drain(tenant)).toEqual([]);
    });

    test('is sent off once by many sweepers', async () => {
      const tenant = newTenant();
      for (let n = 0; n < 30; n++) await accepted(given(tenant, `d${n}`));
      await drain(tenant);
      await Promise.all([1, 2, 3, 4].map(() => store().redriveStuck(now)));
      expect(await drain(tenant)).toHaveLength(30);
    });
  });
}
