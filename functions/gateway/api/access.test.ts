import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudEvent, emit, toCloudEvent } from '../../_shared/events.ts';
import { writeBinary, writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { type Ask, auditOf, deniedOf, type Guarded, openGuarded, submission } from '../auth/testing.ts';
import { type Reply, serverEvents } from '../testing.ts';
import { describeApi } from './app.ts';

const later = () => new Promise((resolve) => setTimeout(resolve, 1100));

describe('with keys', () => {
  let guarded: Guarded;
  let reader: Ask;
  let writer: Ask;
  let admin: Ask;
  beforeAll(async () => {
    guarded = await openGuarded({ KNARR_OPERATOR_TENANT: 'house' });
    [reader, writer, admin] = [
      await guarded.caller('reader'),
      await guarded.caller('writer'),
      await guarded.caller('admin'),
    ];
  });
  afterAll(() => guarded.gateway.close());

  test('nobody is let in without one, but pages and probes are for all', async () => {
    const { ask } = guarded;
    const known = `knarr_${'0'.repeat(16)}_${'A'.repeat(43)}`;
    for (const token of [undefined, 'x', 'a.b.c', known, `${known}A`, known.toUpperCase()]) {
      const reply = await ask(token, 'GET', '/v1/documents');
      expect(reply, token).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect((await ask(token, 'POST', '/', { question: 'x' })).status).toBe(401);
      expect((await ask(token, 'GET', '/v1/nowhere')).status).toBe(401);
    }
    for (const path of ['/', '/docs', '/openapi.json', '/health/liveness', '/health/readiness', '/metrics']) {
      expect((await ask(undefined, 'GET', path)).status, path).toBe(200);
    }
    const basic = { headers: { authorization: `Basic ${known}` } };
    expect((await guarded.gateway.ask('GET', '/v1/documents', undefined, basic)).status).toBe(401);
    expect((await ask(undefined, 'GET', `/v1/documents?access_token=${known}`)).status).toBe(401);
  });

  test('a key holds until it is revoked or has expired', async () => {
    const { ask, key } = guarded;
    const short = await key('reader', { expiresAt: new Date(Date.now() + 1000) });
    expect((await ask(short.key, 'GET', '/v1/documents')).status).toBe(200);
    const { body: made } = await admin('POST', '/v1/admin/keys', { name: 'bot', role: 'reader' });
    expect((await ask(made.key, 'GET', '/v1/documents')).status).toBe(200);
    expect((await admin('DELETE', `/v1/admin/keys/${made.id}`)).body.revoked_at).not.toBeNull();
    expect(await ask(made.key, 'GET', '/v1/documents')).toMatchObject({
      status: 401,
      body: { detail: 'The API key has been revoked.' },
    });
    await later();
    expect(await ask(short.key, 'GET', '/v1/documents')).toMatchObject({
      status: 401,
      body: { detail: 'The API key has expired.' },
    });
  });

  test('headers of the inside are not believed from outside', async () => {
    await writer('PUT', '/v1/documents/ours', { text: 'ours' });
    const stranger = await guarded.caller('reader', { tenant: 'globex' });
    const headers = { 'knarr-tenant': 'acme', 'knarr-principals': '*,user:reader', 'knarr-deadline': 'soon' };
    expect((await stranger('GET', '/v1/documents/ours', undefined, { headers })).status).toBe(404);
    expect((await stranger('GET', '/v1/documents', undefined, { headers })).body.documents).toEqual([]);
    const asked = await stranger('POST', '/', { question: 'x', mode: 'lexical' }, { headers });
    // The stages are absent: it got as far as them, and no header ended it before.
    expect(asked).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });

  test('each call is for its role and those above it, as its documentation says', async () => {
    const operations = Object.entries(describeApi().paths ?? {}).flatMap(([path, item]) =>
      Object.entries(item as Record<string, { description: string; security: unknown }>).map(
        ([method, { description, security }]) => ({
          path: path.replace(/\{\w+\}/, 'none'),
          method: method.toUpperCase(),
          role: /Role: `(\w+)`\.$/.exec(description)?.[1],
          security,
        }),
      ),
    );
    expect(operations.length).toBeGreaterThan(20);
    const callers = { reader, writer, admin };
    const includes: Record<string, string[]> = { reader: ['reader'], writer: ['reader', 'writer'] };
    for (const { path, method, role, security } of operations) {
      expect(security, `${method} ${path}`).toEqual([{ bearer: [] }]);
      for (const [name, ask] of Object.entries(callers)) {
        const reply = await ask(method, path, method === 'GET' ? undefined : {});
        const isRefused = reply.status === 403 && /needs the role/.test(reply.body.detail);
        const mayAct = name === 'admin' || includes[name]?.includes(role ?? '') === true;
        expect(isRefused, `${name}: ${method} ${path} (${role})`).toBe(!mayAct);
      }
    }
  });

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

  test('a document is written by those who may read it, and its writer stays one of them', async () => {
    const ann = await guarded.caller('writer', { name: 'ann', principals: ['group:eng'] });
    const bob = await guarded.caller('writer', { name: 'bob' });
    await ann('PUT', '/v1/documents/plan', { text: 'secret plan', acl: ['group:eng'] });
    await ann('PUT', '/v1/documents/note', { text: 'for bob', acl: ['user:carl'] });
    expect((await ann('GET', '/v1/documents/plan')).body.acl).toEqual(['group:eng']);
    expect((await ann('GET', '/v1/documents/note')).body.acl).toEqual(['user:carl', 'user:ann']);
    const put = await bob('PUT', '/v1/documents/plan', { text: 'secret plan', acl: ['group:eng'] });
    expect(put).toMatchObject({ status: 403, body: { detail: 'This document id is not yours to write.' } });
    const batch = await bob('POST', '/v1/documents:batch', undefined, {
      body: '{"id":"plan","text":"mine"}\n{"id":"other","text":"mine"}\n',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(
      batch.body
        .trim()
        .split('\n')
        .map((line: string) => JSON.parse(line).status),
    ).toEqual([403, 202]);
    const [absent, hidden] = [
      await bob('DELETE', '/v1/documents/none'),
      await bob('DELETE', '/v1/documents/plan'),
    ];
    expect(hidden).toMatchObject({ status: 404, body: absent.body });
    for (const path of ['', '/events', '/versions']) {
      const [there, nowhere] = [
        await bob('GET', `/v1/documents/plan${path}`),
        await bob('GET', `/v1/documents/none${path}`),
      ];
      expect([there.status, there.body]).toEqual([404, nowhere.body]);
    }
    expect((await ann('GET', '/v1/documents/plan')).body.version).toBe(1);
    expect(await deniedOf(admin, '&target=plan')).toEqual({ 'forbidden document.put plan': 2 });
  });

  test('a stream ends when its document is closed to the one who follows', async () => {
    const owner = await guarded.caller('writer', { name: 'owner', principals: ['group:eng'] });
    await owner('PUT', '/v1/documents/closing', { text: 'open' });
    const following = reader('GET', '/v1/documents/closing/events');
    await later();
    await owner('PUT', '/v1/documents/closing', { text: 'closed', acl: ['group:eng'] });
    const events = serverEvents((await following).body);
    expect(events.map(({ event }) => event)).toEqual(['state', 'error']);
    expect(events[1]?.data).toMatchObject({ code: 'not_found', status: 404 });
    expect(JSON.stringify(events)).not.toContain('superseded');
  });

  test('idempotency keys are each writer’s own', async () => {
    const headers = { 'idempotency-key': 'k1' };
    const one = await writer('POST', '/v1/documents', { text: 'same' }, { headers });
    const again = await writer('POST', '/v1/documents', { text: 'same' }, { headers });
    expect(again.body.id).toBe(one.body.id);
    const other = await guarded.caller('writer', { name: 'other' });
    const theirs = await other('POST', '/v1/documents', { text: 'same' }, { headers });
    expect([theirs.status, theirs.body.id === one.body.id]).toEqual([202, false]);
    expect(
      (await other('POST', '/v1/documents', { text: 'else' }, { headers: { 'idempotency-key': 'k2' } }))
        .status,
    ).toBe(202);
  });

  test('a key for some collections sees no others', async () => {
    const scoped = await guarded.caller('writer', { name: 'scoped', collections: ['news'] });
    await writer('PUT', '/v1/documents/n1', { text: 'news', collection: 'news' });
    await writer('PUT', '/v1/documents/h1', { text: 'hr', collection: 'hr' });
    const ids = (reply: Reply) => reply.body.documents.map(({ id }: { id: string }) => id);
    expect(ids(await scoped('GET', '/v1/documents'))).toEqual(['n1']);
    expect((await scoped('GET', '/v1/collections')).body.collections).toMatchObject([{ collection: 'news' }]);
    expect((await scoped('GET', '/v1/documents/h1')).status).toBe(404);
    expect((await scoped('PUT', '/v1/documents/h2', { text: 'x', collection: 'hr' })).status).toBe(403);
    expect((await scoped('PUT', '/v1/documents/h1', { text: 'x', collection: 'news' })).status).toBe(403);
    expect((await scoped('DELETE', '/v1/documents/h1')).status).toBe(404);
    const absent = { status: 404, body: { code: 'unknown_collection' } };
    expect(await scoped('POST', '/v1/search', { query: 'x', collection: 'hr' })).toMatchObject(absent);
    expect(await scoped('POST', '/v1/rag', { question: 'x', collection: 'hr' })).toMatchObject(absent);
    expect(await scoped('POST', '/', { question: 'x', collection: 'hr' })).toMatchObject(absent);
    const event = { ...submission('e1'), data: { document: 'e1', text: 'x', collection: 'hr' } };
    expect((await scoped('POST', '/v1/events', undefined, writeStructured(event))).status).toBe(403);
  });

  test('an answer is its asker’s', async () => {
    const [ann, bob] = [
      await guarded.caller('reader', { name: 'ann' }),
      await guarded.caller('reader', { name: 'ann' }),
    ];
    await writer('PUT', '/v1/documents/open', { text: 'open' });
    const asked = await ann('POST', '/v1/rag', { question: 'x' }, { headers: { prefer: 'respond-async' } });
    expect(asked.status).toBe(202);
    const { self, events } = asked.body.links;
    expect((await ann('GET', self)).body.state).toBe('pending');
    // The same name, but another key.
    const none = await bob('GET', '/v1/queries/6d2e2ca4-5c1c-4f0e-8a52-1d9b3c4f5a60');
    for (const path of [self, events])
      expect(await bob('GET', path)).toMatchObject({ status: 404, body: none.body });
  });

  test('what is in a dead letter is for its readers; that there is one, for admins', async () => {
    const ann = await guarded.caller('writer', { name: 'ann', principals: ['group:eng'] });
    await ann('PUT', '/v1/documents/broken', { text: 'x', acl: ['group:eng'] });
    const data = { document: 'broken', version: 1, collection: 'default' };
    await guarded.gateway.deps.documents.addDeadLetter({
      id: 'letter',
      tenant: 'acme',
      event: toCloudEvent('ingest', emit('document.accepted', 'broken', data), { tenant: 'acme' }),
      code: 'unprocessable',
      message: 'broken',
      destination: '',
      receivedAt: new Date().toISOString(),
    });
    const count = async (ask: typeof ann) => (await ask('GET', '/v1/dead-letters')).body.dead_letters.length;
    expect([await count(ann), await count(reader), await count(admin)]).toEqual([1, 0, 1]);
    expect((await ann('GET', '/v1/dead-letters/letter')).body.event.data).toEqual(data);
    expect((await reader('GET', '/v1/dead-letters/letter')).status).toBe(404);
    expect((await admin('GET', '/v1/dead-letters/letter')).body.event).not.toHaveProperty('data');
    expect((await admin('POST', '/v1/dead-letters/letter/replay')).body).toEqual({ replayed: 1 });
    expect(await auditOf(admin, '?action=dead_letter.replay&target=letter')).toHaveLength(1);
    await guarded.gateway.deps.documents.addDeadLetter({
      id: 'submitted',
      tenant: 'acme',
      event: {
        ...submission('broken', { submitter: { actor: 'user:bob', principals: ['*'] } }),
        tenant: 'acme',
      },
      code: 'unprocessable',
      message: 'broken',
      destination: '',
      receivedAt: new Date().toISOString(),
    });
    expect((await ann('GET', '/v1/dead-letters/submitted')).body.event.data).toEqual({
      document: 'broken',
      text: 'A knarr is a ship.',
    });
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
    expect(await auditOf(admin, '?action=authenticate&limit=1')).toMatchObject([
      { denied: 'unauthenticated' },
    ]);
    const first = await admin('GET', '/v1/audit?limit=2');
    const second = await admin('GET', `/v1/audit?limit=2&cursor=${first.body.next}`);
    const ids = [...first.body.entries, ...second.body.entries].map(({ id }: { id: string }) => Number(id));
    expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    expect(new Set(ids).size).toBe(4);
  });

  test('events from outside reach the stage by /v1/events alone, with the rights of their sender', async () => {
    const { gateway, caller, ask } = guarded;
    const [ann, bob] = [await caller('writer', { name: 'ann' }), await caller('writer', { name: 'bob' })];
    for (const write of [writeBinary, writeStructured]) {
      for (const event of [submission('x'), { ...submission('x'), type: 'dev.knarr.query.answered.v1' }]) {
        for (const token of [undefined, (await guarded.key('admin')).key]) {
          const reply = await ask(token, 'POST', '/', undefined, write(event));
          expect(reply).toMatchObject({ status: 422, body: { code: 'forbidden' } });
        }
      }
    }
    await ann('PUT', '/v1/documents/anns', { text: 'mine', acl: ['user:ann'] });
    const claimed = { submitter: { actor: 'user:root', principals: ['user:ann'] } };
    const sent = await bob('POST', '/v1/events', undefined, writeStructured(submission('anns', claimed)));
    expect(sent.status).toBe(403);
    const deliver = (of: CloudEvent) => gateway.running.receive(of, new AbortController().signal);
    // So it is with what a producer inside the deployment says for somebody.
    const forBob = submission('anns', { submitter: { actor: 'user:bob', principals: ['*', 'user:bob'] } });
    await expect(deliver({ ...forBob, tenant: 'acme' })).rejects.toMatchObject({ code: 'forbidden' });
    expect((await ann('GET', '/v1/documents/anns')).body.version).toBe(1);
    // What it says for nobody has the rights of the tenant.
    await deliver({ ...submission('anns'), tenant: 'acme' });
  });
});
