import { describe, expect, test } from 'vitest';
import { emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import { chunksOf, given, newTenant, using } from './fixtures.ts';

/** Events wait in the outbox until they are acknowledged. A claim lasts `claimMs` milliseconds. */
export function outboxContract(store: () => DocumentStore, claimMs: () => number): void {
  const { accepted, indexed, finish, drain } = using(store);

  describe('the outbox', () => {
    test('a claim is exclusive, comes back when not acknowledged, and then counts an attempt', async () => {
      const tenant = newTenant();
      await drain(tenant);
      for (let i = 0; i < 20; i++)
        await store().accept(given(tenant, `d${i}`), { traceparent: `trace ${i}` });
      const claims = await Promise.all(Array.from({ length: 4 }, () => store().claimOutbox(7)));
      const ids = claims.flat().map(({ id }) => id);
      expect(ids).toHaveLength(20);
      expect(new Set(ids).size).toBe(20);
      expect(claims.flat().every(({ attempts }) => attempts === 1)).toBe(true);
      expect(claims.flat().map(({ traceparent }) => traceparent)).toContain('trace 7');
      await store().ackOutbox(ids.slice(0, 15));
      await new Promise((resolve) => setTimeout(resolve, claimMs() + 50));
      const again = await store().claimOutbox(100);
      expect(again.map(({ id }) => id).sort()).toEqual(ids.slice(15).sort());
      expect(again.every(({ attempts }) => attempts === 2)).toBe(true);
      await store().releaseOutbox(ids.slice(17));
      expect((await store().claimOutbox(100)).map(({ id }) => id).sort()).toEqual(ids.slice(17).sort());
      await store().ackOutbox(ids);
      await new Promise((resolve) => setTimeout(resolve, claimMs() + 50));
      expect(await store().claimOutbox(100)).toEqual([]);
    });

    test('the tenant with the fewest documents under way is next', async () => {
      const [bulk, small] = [newTenant(), newTenant()];
      await drain(bulk);
      for (let n = 0; n < 5; n++) await store().accept(given(bulk, `d${n}`));
      for (let n = 0; n < 2; n++) await store().accept(given(small, `d${n}`));
      const claim = async (limit: number) => {
        const entries = await store().claimOutbox(limit);
        await store().ackOutbox(entries.map(({ id }) => id));
        return entries.map(
          ({ tenant, emitted }) => `${tenant === bulk ? 'bulk' : 'small'} ${emitted.subject}`,
        );
      };
      expect(await claim(1)).toEqual(['bulk d0']);
      expect(await claim(1)).toEqual(['small d0']);
      expect((await claim(3)).sort()).toEqual(['bulk d1', 'bulk d2', 'small d1']);
      expect(await claim(9)).toEqual(['bulk d3', 'bulk d4']);
    });

    test('a document that is replaced while it waits keeps its turn', async () => {
      const tenant = newTenant();
      await drain(tenant);
      for (const document of ['a', 'b', 'c']) await store().accept(given(tenant, document));
      await store().accept(given(tenant, 'a', 'two'));
      await store().accept(given(tenant, 'a', 'three'));
      await store().remove(tenant, 'b');
      await store().accept(given(tenant, 'b', 'again'));
      expect((await drain(tenant)).map(({ subject, data }) => [subject, data])).toMatchObject([
        ['a', { version: 3 }],
        ['c', { version: 1 }],
        ['b', { version: 2 }],
        ['b', { version: 3 }],
      ]);
    });

    test('a document that is replaced while it is being sent has had its turn', async () => {
      const [busy, other] = [newTenant(), newTenant()];
      await drain(busy);
      await store().accept(given(busy, 'd'));
      await store().accept(given(other, 'd'));
      const claimed: string[] = [];
      const next = async () => {
        const entries = await store().claimOutbox(1);
        claimed.push(...entries.map(({ id }) => id));
        return entries.map(({ tenant }) => tenant);
      };
      expect(await next()).toEqual([busy]);
      await store().accept(given(busy, 'd', 'two'));
      expect([await next(), await next()]).toEqual([[other], [busy]]);
      await store().accept(given(busy, 'd', 'three'));
      expect(await next()).toEqual([busy]);
      await store().ackOutbox(claimed);
    });

    test('how much waits is known, of each tenant and of all', async () => {
      const [tenant, idle] = [newTenant(), newTenant()];
      await indexed(given(idle, 'done'));
      await drain(tenant);
      const before = await store().queues();
      await accepted(given(tenant, 'a'));
      await accepted(given(tenant, 'b'));
      const backlog = await store().backlog();
      expect(backlog.get(tenant)).toBe(2);
      expect(backlog.has(idle)).toBe(false);
      const { unfinished, oldestMs, outbox } = await store().queues();
      expect({ unfinished, outbox }).toEqual({ unfinished: before.unfinished + 2, outbox: 2 });
      expect(oldestMs).toBeGreaterThan(0);
    });

    test('what was indexed while its event waited need not be said', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      await finish(ref);
      expect(await drain(tenant)).toEqual([]);
      await store().redrive([ref]);
      await finish(ref);
      expect(await drain(tenant)).toMatchObject([{ data: { version: 1, again: true } }]);
    });

    test('what has not ended is put back, once', async () => {
      const tenant = newTenant();
      await store().requeueUnfinished();
      const waiting = await store().accept(given(tenant, 'waiting'));
      await store().accept(given(tenant, 'stuck', 'old'));
      const stuck = await accepted(given(tenant, 'stuck', 'new'));
      await indexed(given(tenant, 'done'));
      await drain(tenant);
      await store().saveChunks(stuck, { title: null, chunks: chunksOf(1) });
      expect(await store().requeueUnfinished()).toBeGreaterThanOrEqual(2);
      expect(await store().requeueUnfinished()).toBe(0);
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
}
