import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../sql/database.ts';
import { hashKey, keyId, matches } from './key.ts';
import type { AccessStore, NewApiKey, Quota } from './port.ts';

const BY = { actor: 'user:root', traceId: 'a'.repeat(32) };
let tenants = 0;
const newTenant = () => `tenant-${++tenants}`;
const given = (tenant: string, more: Partial<NewApiKey> = {}): NewApiKey => ({
  tenant,
  name: 'crawler',
  role: 'writer',
  collections: null,
  principals: [],
  expiresAt: null,
  ...more,
});

/** What every access store must do. */
export function accessStoreContract(
  name: string,
  open: () => Promise<{ store: AccessStore; database: Database; close: () => Promise<void> }>,
): void {
  describe(name, () => {
    let store: AccessStore;
    let database: Database;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, database, close } = await open());
    });
    afterAll(() => close?.());

    test('a key is shown once and kept as a hash', async () => {
      const tenant = newTenant();
      expect(await store.hasKeys()).toBe(false);
      const expiresAt = new Date('2099-01-01T00:00:00Z');
      const { key, record } = await store.createKey(
        given(tenant, { collections: ['a', 'b'], principals: ['group:"x, {y}'], expiresAt }),
        BY,
      );
      expect(keyId(key)).toBe(record.id);
      expect(record).toMatchObject({
        tenant,
        name: 'crawler',
        role: 'writer',
        collections: ['a', 'b'],
        principals: ['group:"x, {y}'],
        createdBy: 'user:root',
        expiresAt: expiresAt.toISOString(),
        revokedAt: null,
        lastUsedAt: null,
      });
      const found = await store.findKey(record.id);
      expect(found).toEqual({ ...record, hash: hashKey(key) });
      expect(matches(key, found?.hash ?? '')).toBe(true);
      expect(matches(`${key.slice(0, -1)}_`, found?.hash ?? '')).toBe(false);
      expect(await store.hasKeys()).toBe(true);
      // No table holds it.
      for (const table of ['api_keys', 'audit_log']) {
        const { rows } = await database.query<{ all: string }>(`select t::text as all from ${table} t`);
        expect(rows.length).toBeGreaterThan(0);
        expect(rows.map((row) => row.all).join()).not.toContain(key.split('_').slice(2).join('_'));
      }
      expect(await store.findKey('0'.repeat(16))).toBeUndefined();
    });

    test('keys are listed page by page within the tenant, newest first', async () => {
      const tenant = newTenant();
      const names = ['one', 'two', 'three', 'four', 'five'];
      for (const each of names) await store.createKey(given(tenant, { name: each }), BY);
      await store.createKey(given(newTenant()), BY);
      const listed: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.keys(tenant, { limit: 2, cursor });
        listed.push(...page.items.map((item) => item.name));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(listed).toEqual(names.toReversed());
      await expect(store.keys(tenant, { limit: 1, cursor: 'x' })).rejects.toMatchObject({
        code: 'invalid_request',
      });
    });

    test('a key is revoked once, by its tenant alone', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      const { record } = await store.createKey(given(tenant), BY);
      expect(await store.revokeKey(other, record.id, BY)).toBeUndefined();
      expect((await store.findKey(record.id))?.revokedAt).toBeNull();
      const revoked = await store.revokeKey(tenant, record.id, BY);
      expect(revoked?.revokedAt).not.toBeNull();
      expect(await store.revokeKey(tenant, record.id, BY)).toEqual(revoked);
      const { items } = await store.auditLog(tenant, { limit: 10, target: record.id });
      expect(items.map(({ action }) => action)).toEqual(['key.revoke', 'key.create']);
      expect((await store.auditLog(other, { limit: 10 })).items).toEqual([]);
    });

    test('use is recorded to the minute', async () => {
      const { record } = await store.createKey(given(newTenant()), BY);
      await store.touchKeys([record.id, 'unknown']);
      const used = (await store.findKey(record.id))?.lastUsedAt;
      expect(used).toMatch(/:00\.000Z$/);
      await store.touchKeys([record.id]);
      expect((await store.findKey(record.id))?.lastUsedAt).toBe(used);
    });

    test('quotas are what was set last', async () => {
      const tenant = newTenant();
      const none: Quota = { documents: null, bytes: null, requestsPerSecond: null, questions: null };
      expect(await store.quota(tenant)).toEqual(none);
      const quota: Quota = { documents: 10, bytes: 2 ** 40, requestsPerSecond: 0.5, questions: 3 };
      await store.setQuota(tenant, quota, BY);
      expect(await store.quota(tenant)).toEqual(quota);
      await store.setQuota(tenant, { ...none, documents: 0 }, BY);
      expect(await store.quota(tenant)).toEqual({ ...none, documents: 0 });
      await store.setQuota(tenant, { requestsPerSecond: 50, bytes: undefined }, BY);
      await store.setQuota(tenant, {}, BY);
      expect(await store.quota(tenant)).toEqual({ ...none, documents: 0, requestsPerSecond: 50 });
      expect(await store.quota(newTenant())).toEqual(none);
    });

    test('writes are counted and logged with their transaction, whoever writes at the same time', async () => {
      const tenant = newTenant();
      const entry = { tenant, ...BY, action: 'document.put', target: 'a' };
      const change = (documents: number, bytes: number) =>
        database.transaction((tx) => store.recordWrite(tx, entry, { documents, bytes }));
      expect(await change(1, 2 ** 33)).toEqual({ documents: 1, bytes: 2 ** 33 });
      await Promise.all(Array.from({ length: 40 }, () => change(1, 10)));
      expect(await store.usage(tenant)).toEqual({ documents: 41, bytes: 2 ** 33 + 400 });
      const failing = database.transaction(async (tx) => {
        await store.recordWrite(tx, entry, { documents: 1, bytes: 1 });
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      expect(
        (await store.auditLog(tenant, { limit: 50, action: 'document.put', target: 'a' })).items,
      ).toHaveLength(41);
      await change(-41, -(2 ** 33) - 400);
      expect(await store.usage(tenant)).toEqual({ documents: 0, bytes: 0 });
    });

    test('the audit log is read by filter, page by page', async () => {
      const tenant = newTenant();
      const entry = { tenant, ...BY };
      await store.audit([
        { ...entry, action: 'document.put', target: 'a', details: { version: 1 } },
        { ...entry, actor: 'key:1', action: 'document.put', target: 'nul\0 \ud800' },
        { ...entry, action: 'DELETE /v1/documents/{id}', denied: 'forbidden', count: 7, traceId: undefined },
      ]);
      const all = await store.auditLog(tenant, { limit: 2 });
      expect(all.items).toMatchObject([
        { action: 'DELETE /v1/documents/{id}', denied: 'forbidden', count: 7, details: {} },
        { actor: 'key:1', target: 'nul\ufffd \ufffd', count: 1 },
      ]);
      expect(all.items[0]).not.toHaveProperty('traceId');
      const rest = await store.auditLog(tenant, { limit: 2, cursor: all.next });
      expect(rest).toMatchObject({
        items: [{ actor: 'user:root', target: 'a', traceId: BY.traceId, details: { version: 1 } }],
      });
      expect(rest.next).toBeUndefined();
      const counted = async (filter: object) =>
        (await store.auditLog(tenant, { limit: 9, ...filter })).items.length;
      expect(await counted({ outcome: 'denied' })).toBe(1);
      expect(await counted({ outcome: 'done', action: 'document.put' })).toBe(2);
      expect(await counted({ actor: 'key:1', target: 'a' })).toBe(0);
      await expect(store.auditLog(tenant, { limit: 1, cursor: 'WyJ4Il0' })).rejects.toMatchObject({
        code: 'invalid_request',
      });
    });

    test.each(['update audit_log set actor = actor', 'delete from audit_log', 'truncate audit_log'])(
      'nothing in the audit log is ever changed: %s',
      async (statement) => {
        await store.audit([{ tenant: newTenant(), ...BY, action: 'x' }]);
        await expect(database.query(statement)).rejects.toThrow('append-only');
      },
    );

    test('what is rolled back is not in the audit log', async () => {
      const tenant = newTenant();
      const failing = database.transaction(async (tx) => {
        await store.audit([{ tenant, ...BY, action: 'document.put' }], tx);
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      expect((await store.auditLog(tenant, { limit: 1 })).items).toEqual([]);
    });
  });
}
