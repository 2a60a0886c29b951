import { describe, expect, test } from 'vitest';
import { type Emitted, emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import { everybody, given, letter, newTenant, using } from './fixtures.ts';

/** What comes after something newer has come, by the times that events state. */
export function latenessContract(store: () => DocumentStore): void {
  const { drain } = using(store);
  const start = Date.now() - 3_600_000;
  /** So many seconds after a time of an hour ago. */
  const at = (second: number) => new Date(start + second * 1000).toISOString();
  const said = (tenant: string, content: string, time: string | undefined) =>
    store().accept(given(tenant, 'a', content), { time });
  const contentOf = async (tenant: string) =>
    (await store().head(everybody(tenant), 'a'))?.contentHash ?? 'none';

  describe('a submission', () => {
    test('that was said before the head was, writes nothing and is told what stands', async () => {
      const tenant = newTenant();
      expect(await said(tenant, 'two', at(2))).toMatchObject({ version: 1, created: true });
      await drain(tenant);
      const overtaken = { version: 1, state: 'accepted', created: false, overtaken: true };
      expect(await said(tenant, 'one', at(1))).toMatchObject(overtaken);
      expect(await drain(tenant)).toEqual([]);
      expect(await contentOf(tenant)).toBe('two');
      expect(await said(tenant, 'three', at(3))).toMatchObject({ version: 2, created: true });
    });

    test('of the same time, or of none, is taken as it comes', async () => {
      const tenant = newTenant();
      for (const time of [at(1), at(1), undefined, 'some day']) {
        expect(await said(tenant, `of ${await contentOf(tenant)}`, time)).toMatchObject({ created: true });
      }
      // The last two were said when they came.
      expect(await said(tenant, 'late', at(9))).toMatchObject({ version: 4, overtaken: true });
    });

    test('that says once more what stands, makes older what was said in between', async () => {
      const tenant = newTenant();
      await said(tenant, 'one', at(1));
      expect(await said(tenant, 'one', at(3))).toMatchObject({ version: 1, created: false });
      expect(await said(tenant, 'two', at(2))).toMatchObject({ overtaken: true });
      // Said at 2 and at 1 again, it does not become older.
      expect(await said(tenant, 'one', at(2))).toMatchObject({ overtaken: true });
      expect(await said(tenant, 'two', at(2.5))).toMatchObject({ overtaken: true });
      expect(await contentOf(tenant)).toBe('one');
    });

    test('from a clock that is ahead counts as of now, so that others can follow', async () => {
      const tenant = newTenant();
      await said(tenant, 'ahead', new Date(Date.now() + 3_600_000).toISOString());
      expect(await said(tenant, 'one', new Date(Date.now() + 1000).toISOString())).toMatchObject({
        created: true,
      });
    });

    test('of before the deletion does not bring the document back', async () => {
      const tenant = newTenant();
      await said(tenant, 'one', at(1));
      await store().remove(tenant, 'a');
      const deletion = (await store().head(everybody(tenant), 'a'))?.createdAt;
      for (const time of [at(2), deletion]) {
        expect(await said(tenant, 'two', time)).toMatchObject({ state: 'deleted', overtaken: true });
      }
      const after = new Date(Date.parse(deletion ?? '') + 1000).toISOString();
      expect(await said(tenant, 'two', after)).toMatchObject({ version: 3, created: true });
    });

    test('under a key that a late one has claimed stays late', async () => {
      const tenant = newTenant();
      const late = { time: at(1), idempotencyKey: 'k', keyAlone: true };
      await said(tenant, 'two', at(2));
      await store().accept(given(tenant, 'a', 'one'), late);
      expect(await store().acceptedUnder(tenant, 'k')).toMatchObject({ version: 1, created: false });
    });
  });

  describe('the dead letter of a submission', () => {
    const submitted = (text: string) => emit('document.submitted', 'a', { document: 'a', text });
    async function keep(tenant: string, emitted: Emitted, time: string | undefined, receivedAt = at(5)) {
      const one = letter(tenant, `letter of ${time}`, emitted, { receivedAt });
      const { time: _, ...event } = one.event;
      await store().addDeadLetter({ ...one, event: { ...event, ...(time !== undefined && { time }) } });
      return (await store().deadLetters(tenant, { limit: 10 })).items.length;
    }

    test('is not kept when a newer one was accepted meanwhile', async () => {
      const tenant = newTenant();
      await said(tenant, 'two', at(2));
      expect(await keep(tenant, submitted('one'), at(1))).toBe(0);
      expect(await keep(tenant, submitted('three'), at(3))).toBe(1);
    });

    test('replayed after a newer one was accepted, brings about nothing and is done with', async () => {
      const tenant = newTenant();
      await keep(tenant, submitted('one'), at(1));
      await said(tenant, 'two', at(2));
      await drain(tenant);
      expect(await store().replay(tenant, {}, 10)).toBe(1);
      expect(await drain(tenant)).toEqual([]);
      expect((await store().deadLetters(tenant, { limit: 10 })).items).toEqual([]);
    });

    test('without a time is as old as its receipt', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      await keep(tenant, submitted('one'), undefined);
      await keep(other, submitted('one'), undefined);
      await said(tenant, 'two', at(6));
      await said(other, 'two', at(4));
      const replayed = async (each: string) => {
        await drain(each);
        await store().replay(each, {}, 10);
        return drain(each);
      };
      expect(await replayed(tenant)).toEqual([]);
      expect(await replayed(other)).toEqual([submitted('one')]);
    });

    test('is said again as the event that it was', async () => {
      const tenant = newTenant();
      await keep(tenant, submitted('one'), at(1));
      const [kept] = (await store().deadLetters(tenant, { limit: 1 })).items;
      await store().replay(tenant, {}, 10);
      const [entry] = (await store().claimOutbox(1000)).filter((each) => each.tenant === tenant);
      const { id, source, time } = kept?.event ?? {};
      expect(entry?.said).toEqual({ id, source, time });
      expect(time).toBe(at(1));
      await store().ackOutbox([entry?.id ?? '']);
    });
  });
}
