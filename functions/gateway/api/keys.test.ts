import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, type Guarded, openGuarded } from '../auth/testing.ts';
import { describeApi } from './app.ts';

const later = () => new Promise((resolve) => setTimeout(resolve, 1100));

describe('with keys', () => {
  let guarded: Guarded;
  let reader: Ask;
  let writer: Ask;
  let admin: Ask;
  beforeAll(async () => {
    guarded = await openGuarded();
    ({ reader, writer, admin } = await guarded.roles());
  });
  afterAll(() => guarded?.gateway.close());

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
});
