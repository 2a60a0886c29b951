import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Served, serve } from '../../../_shared/runtime/serve.ts';
import { openLedger } from '../../../_shared/stores/open.ts';
import { type Guarded, openGuarded } from '../../../gateway/auth/testing.ts';
import { apiClient } from '../client.ts';
import type { Output } from '../output.ts';
import { audit } from './audit.ts';
import { createKey, listKeys, revokeKeys } from './keys.ts';
import { quotas } from './quotas.ts';

let folder: string;
let guarded: Guarded;
let served: Served;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-keys-'));
  guarded = await openGuarded({ KNARR_OPERATOR_TENANT: 'acme' });
  served = await serve(guarded.gateway.running, { port: 0, hostname: '127.0.0.1' });
  token = (await guarded.key('admin')).key;
});
afterAll(async () => {
  await served?.close();
  await guarded?.gateway.close();
  await rm(folder, { recursive: true, force: true });
});

/** What a command says, as JSON. */
async function said(run: (output: Output) => Promise<number>): Promise<any> {
  const values: unknown[] = [];
  const nothing = () => {};
  const output: Output = {
    json: true,
    text: nothing,
    write: nothing,
    data: (value) => void values.push(value),
    table: nothing,
    note: nothing,
    progress: () => ({ show: nothing, stop: nothing }),
  };
  expect(await run(output)).toBe(0);
  return values[0];
}

test('the first key is made in the store itself, while no server has it', async () => {
  const store = { url: 'http://127.0.0.1:1', data: folder };
  const made = await said((output) => createKey(output, 'root', { ...store, role: 'reader', admin: true }));
  expect(made).toMatchObject({ tenant: 'default', role: 'admin', expires_at: null });
  expect(made.created_by).toMatch(/^store:/);
  const { documents, access } = await openLedger({ dataDir: folder });
  await expect(said((output) => listKeys(output, store))).rejects.toMatchObject({ code: 'conflict' });
  expect((await access.auditLog('default', { limit: 9 })).items).toMatchObject([{ action: 'key.create' }]);
  await documents.close();
  const { keys } = await said((output) => listKeys(output, store));
  expect(keys.map(({ id }: { id: string }) => id)).toEqual([made.id]);
  expect((await said((output) => revokeKeys(output, [made.id], store))).revoked_at).not.toBeNull();
  await expect(said((output) => revokeKeys(output, ['none'], store))).rejects.toMatchObject({
    code: 'not_found',
  });
});

test('further keys, quotas and the audit log by way of the server', async () => {
  const server = { url: served.url, token };
  const options = { role: 'writer', collection: ['news'], principal: ['group:press'], expires: '90d' };
  const made = await said((output) => createKey(output, 'crawler', { ...server, ...options }));
  expect(made).toMatchObject({
    tenant: 'acme',
    role: 'writer',
    collections: ['news'],
    principals: ['group:press'],
  });
  const days = (Date.parse(made.expires_at) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(90);
  expect((await said((output) => listKeys(output, server))).keys).toHaveLength(2);
  const theirs = await said((output) =>
    createKey(output, 'x', { ...server, role: 'reader', tenant: 'globex' }),
  );
  expect(theirs.tenant).toBe('globex');
  expect((await said((output) => listKeys(output, { ...server, tenant: 'globex' }))).keys).toHaveLength(1);
  await said((output) => revokeKeys(output, [made.id], server));
  expect((await guarded.ask(made.key, 'GET', '/v1/documents')).status).toBe(401);

  const client = apiClient(served.url, token);
  const set = await said((output) =>
    quotas(client, output, { tenant: 'globex', documents: 5, requests: 0.5 }),
  );
  expect(set.quota).toEqual({ documents: 5, bytes: null, requests_per_second: 0.5, questions: null });
  expect(await said((output) => quotas(client, output, { tenant: 'globex' }))).toEqual(set);
  const changed = await said((output) =>
    quotas(client, output, { tenant: 'globex', requests: 50, bytes: 1000 }),
  );
  expect(changed.quota).toEqual({ documents: 5, bytes: 1000, requests_per_second: 50, questions: null });
  const back = await said((output) => quotas(client, output, { tenant: 'globex', documents: null }));
  expect(back.quota).toEqual({ ...changed.quota, documents: null });
  const { entries } = await said((output) => audit(client, output, { limit: 2, target: made.id }));
  expect(entries.map(({ action }: { action: string }) => action)).toEqual(['key.revoke', 'key.create']);
  const denied = await said((output) => audit(client, output, { limit: 9, denied: true }));
  expect(denied.entries).toMatchObject([{ denied: 'unauthenticated', actor: `key:${made.id}` }]);
});

test('what makes no key is refused before anything is asked', async () => {
  const create = (options: object) =>
    said((output) => createKey(output, 'x', { url: 'http://127.0.0.1:1', role: 'reader', ...options }));
  await expect(create({ principal: ['*'] })).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(create({ admin: true, collection: ['a'] })).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(create({ expires: 'soon' })).rejects.toThrow('expected 90d or a date');
});
