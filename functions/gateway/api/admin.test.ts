import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, auditOf, deniedOf, type Guarded, openGuarded } from '../auth/testing.ts';

describe('with keys', () => {
  let guarded: Guarded;
  let reader: Ask;
  let writer: Ask;
  let admin: Ask;
  beforeAll(async () => {
    guarded = await openGuarded({ KNARR_OPERATOR_TENANT: 'house' });
    ({ reader, writer, admin } = await guarded.roles());
  });
  afterAll(() => guarded?.gateway.close());

  test('keys are made, listed and revoked within the tenant', async () => {
    const globex = await guarded.caller('admin', { tenant: 'globex' });
    const created = await admin('POST', '/v1/admin/keys', {
      name: 'crawler',
      role: 'writer',
      collections: ['news'],
      principals: ['group:press'],
      expires_at: '2099-01-01T00:00:00Z',
    });
    expect(created).toMatchObject({
      status: 201,
      body: { tenant: 'acme', collections: ['news'], principals: ['group:press'], revoked_at: null },
    });
    expect(created.headers.get('cache-control')).toBe('no-store');
    const { key, ...view } = created.body;
    expect(key).toMatch(/^knarr_[0-9a-f]{16}_[\w-]{43}$/);
    const listed = await admin('GET', '/v1/admin/keys?limit=1');
    expect(listed.body).toEqual({ keys: [view], next: expect.any(String) });
    expect(
      (await globex('GET', '/v1/admin/keys')).body.keys.map(({ id }: { id: string }) => id),
    ).not.toContain(view.id);
    expect((await globex('DELETE', `/v1/admin/keys/${view.id}`)).status).toBe(404);
    const refused: [object, string][] = [
      [{ name: 'a b', role: 'reader' }, 'name'],
      [{ name: 'x', role: 'root' }, 'role'],
      [{ name: 'x', role: 'admin', collections: ['a'] }, 'collections'],
      [{ name: 'x', role: 'reader', principals: ['*'] }, 'principals.0'],
      [{ name: 'x', role: 'reader', principals: ['key:1'] }, 'principals.0'],
      [{ name: 'x', role: 'reader', expires_at: 'soon' }, 'expires_at'],
    ];
    for (const [body, path] of refused) {
      expect((await admin('POST', '/v1/admin/keys', body)).body.errors, path).toMatchObject([{ path }]);
    }
    const past = { name: 'x', role: 'reader', expires_at: '2020-01-01T00:00:00Z' };
    expect((await admin('POST', '/v1/admin/keys', past)).status).toBe(400);
  });

  test("other tenants are the operator's alone", async () => {
    const operator = await guarded.caller('admin', { tenant: 'house' });
    const made = await operator('POST', '/v1/admin/keys', {
      name: 'first',
      role: 'admin',
      tenant: 'newcomer',
    });
    expect(made).toMatchObject({ status: 201, body: { tenant: 'newcomer' } });
    expect((await guarded.ask(made.body.key, 'GET', '/v1/admin/keys')).body.keys).toHaveLength(1);
    expect((await operator('GET', '/v1/audit?tenant=newcomer')).body.entries).toMatchObject([
      { action: 'key.create', target: made.body.id, actor: expect.stringMatching(/^key:/) },
    ]);
    expect(
      (await operator('PUT', '/v1/admin/quotas', { tenant: 'newcomer', documents: 5 })).body,
    ).toMatchObject({
      tenant: 'newcomer',
      quota: { documents: 5, bytes: null },
      used: { documents: 0, bytes: 0 },
    });
    const forbidden = { status: 403, body: { code: 'forbidden' } };
    expect(
      await admin('POST', '/v1/admin/keys', { name: 'x', role: 'reader', tenant: 'house' }),
    ).toMatchObject(forbidden);
    expect(await admin('GET', '/v1/admin/keys?tenant=house')).toMatchObject(forbidden);
    expect(await admin('GET', '/v1/audit?tenant=house')).toMatchObject(forbidden);
    expect(await admin('GET', '/v1/admin/quotas?tenant=house')).toMatchObject(forbidden);
    expect(await admin('PUT', '/v1/admin/quotas', { documents: 1_000_000 })).toMatchObject(forbidden);
    expect(await admin('POST', '/v1/admin/reconcile', { repair: false })).toMatchObject(forbidden);
    const writerOfHouse = await guarded.caller('writer', { tenant: 'house' });
    expect(await writerOfHouse('GET', '/v1/admin/keys?tenant=acme')).toMatchObject(forbidden);
  });

  test('writes, denials and administration are in the audit log, with who and in which trace', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
    await writer('PUT', '/v1/documents/logged', { text: 'x' }, { headers });
    await writer('PUT', '/v1/documents/logged', { text: 'x' }, { headers });
    await writer('DELETE', '/v1/documents/logged');
    const actor = expect.stringMatching(/^key:[0-9a-f]{16}$/);
    expect(await auditOf(admin, '?target=logged')).toMatchObject([
      { action: 'document.delete', details: { version: 2 }, actor, denied: null },
      { action: 'document.put', details: { version: 1, collection: 'default' }, actor, trace_id: trace },
    ]);
    for (let n = 0; n < 5; n++) await reader('PUT', '/v1/documents/logged', { text: 'y' }, { headers });
    const action = 'PUT /v1/documents/{id}';
    const query = `&action=${encodeURIComponent(action)}`;
    expect(await auditOf(admin, `?outcome=denied&limit=1${query}`)).toMatchObject([
      { actor, trace_id: trace },
    ]);
    expect((await deniedOf(admin, query))[`forbidden ${action}`]).toBeGreaterThanOrEqual(5);
    const former = await guarded.key('reader');
    await admin('DELETE', `/v1/admin/keys/${former.record.id}`);
    expect((await guarded.ask(former.key, 'GET', '/v1/documents')).status).toBe(401);
    expect(await auditOf(admin, '?action=authenticate&limit=1')).toMatchObject([
      { denied: 'unauthenticated' },
    ]);
    const first = await admin('GET', '/v1/audit?limit=2');
    const second = await admin('GET', `/v1/audit?limit=2&cursor=${first.body.next}`);
    const ids = [...first.body.entries, ...second.body.entries].map(({ id }: { id: string }) => Number(id));
    expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    expect(new Set(ids).size).toBe(4);
  });
});
