import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeBinary } from '../../_shared/runtime/cloudevents.ts';
import type { Quota, Role } from '../../_shared/stores/access/port.ts';
import { auditOf, BY, deniedOf, type Guarded, openGuarded, submission } from '../auth/testing.ts';
import type { Reply } from '../testing.ts';

let tenants = 0;

describe('quotas', () => {
  let guarded: Guarded;
  const pending: (() => void)[] = [];
  /** A tenant with this quota. */
  async function tenantWith(quota: Partial<Quota>) {
    const tenant = `tenant-${++tenants}`;
    const none = { documents: null, bytes: null, requestsPerSecond: null, questions: null };
    await guarded.gateway.deps.access.setQuota(tenant, { ...none, ...quota }, BY);
    const as = (role: Role) => guarded.caller(role, { tenant });
    return { tenant, as, writer: await as('writer'), admin: await as('admin') };
  }
  beforeAll(async () => {
    const env = {
      KNARR_EVENTS_AUTH: 'trust',
      KNARR_OPERATOR_TENANT: 'house',
      KNARR_QUOTA_DOCUMENTS: '3',
      KNARR_MAX_QUESTIONS: '3',
    };
    const search = () => new Promise<never>((_, reject) => pending.push(() => reject(new Error('done'))));
    guarded = await openGuarded(env, { search });
  });
  afterAll(() => guarded.gateway.close());

  test('bound documents and bytes, by every way in', async () => {
    const { tenant, writer, admin } = await tenantWith({ bytes: 100 });
    const put = (id: string, text: string) => writer('PUT', `/v1/documents/${id}`, { text });
    expect((await put('a', 'x'.repeat(60))).status).toBe(202);
    const full = await put('b', 'x'.repeat(41));
    expect(full).toMatchObject({
      status: 429,
      body: { code: 'too_many_requests', quota: 'bytes', limit: 100, used: 60 },
    });
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    // Less than before is welcome, also where there is too much already.
    expect((await put('a', 'y'.repeat(10))).status).toBe(202);
    const batch = await writer('POST', '/v1/documents:batch', undefined, {
      body: ['b', 'c', 'd'].map((id) => `{"id":"${id}","text":"x"}`).join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    });
    const statuses = batch.body
      .trim()
      .split('\n')
      .map((line: string) => JSON.parse(line).status);
    expect(statuses).toEqual([202, 202, 429]);
    expect((await admin('GET', '/v1/admin/quotas')).body).toMatchObject({
      quota: { documents: 3, bytes: 100, requests_per_second: null },
      used: { documents: 3, bytes: 12 },
    });
    await writer('DELETE', '/v1/documents/b');
    expect((await put('d', 'x')).status).toBe(202);
    // The Broker tries again what is 429.
    const event = writeBinary({ ...submission('e'), tenant });
    expect((await guarded.ask(undefined, 'POST', '/', undefined, event)).status).toBe(429);
    expect(await deniedOf(admin)).toEqual({
      'too_many_requests document.put b': 1,
      'too_many_requests document.put d': 1,
      'too_many_requests document.put e': 1,
    });
  });

  test('hold for writers at the same time', async () => {
    const { writer } = await tenantWith({ documents: 10 });
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, n) => writer('PUT', `/v1/documents/${n}`, { text: 'x' })),
    );
    // The embedded database has one connection, so that here it is exact.
    expect(replies.filter(({ status }) => status === 202)).toHaveLength(10);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(20);
  });

  test('bound requests of a tenant, and say what is left', async () => {
    const { writer } = await tenantWith({ requestsPerSecond: 0.1 });
    const replies: Reply[] = [];
    for (let n = 0; n < 3; n++) replies.push(await writer('GET', '/v1/documents'));
    expect(replies.map(({ status }) => status)).toEqual([200, 429, 429]);
    const header = (name: string) => replies.map(({ headers }) => headers.get(name));
    expect(header('ratelimit-policy')).toEqual(Array(3).fill('"requests";q=1;w=10'));
    expect(header('ratelimit')[0]).toMatch(/^"requests";r=0;t=([1-9]|10)$/);
    expect(header('retry-after')[0]).toBeNull();
    expect(Number(header('retry-after')[1])).toBeGreaterThan(0);
    const others = await tenantWith({});
    for (const path of ['/', '/v1/search']) {
      const { as } = await tenantWith({ requestsPerSecond: 0.1 });
      const { status, headers } = await (await as('reader'))('POST', path, { nothing: 'asked' });
      expect([status, headers.get('ratelimit-policy')], path).toEqual([400, '"requests";q=1;w=10']);
      expect(headers.get('ratelimit'), path).toMatch(/^"requests";r=0;t=/);
    }
    const free = await others.writer('GET', '/v1/documents');
    expect([free.status, free.headers.get('ratelimit')]).toEqual([200, null]);
  });

  test('bound the questions of a tenant at work at once, and leave the others theirs', async () => {
    const [mine, theirs] = [await tenantWith({ questions: 2 }), await tenantWith({})];
    const [acme, globex] = [await mine.as('reader'), await theirs.as('reader')];
    const ask = (of: typeof acme, path = '/v1/search') =>
      of('POST', path, { [path === '/v1/search' ? 'query' : 'question']: 'x', mode: 'lexical' });
    const first = [ask(acme), ask(acme, '/v1/rag')];
    await expect.poll(() => pending.length).toBe(2);
    for (const path of ['/v1/search', '/v1/rag', '/']) {
      const refused = await ask(acme, path);
      expect(refused.status, path).toBe(429);
      expect(refused.headers.get('ratelimit-policy')).toBe('"questions";q=2;qu="concurrent-requests"');
      expect(refused.headers.get('ratelimit')).toBe('"questions";r=0');
    }
    const others = [ask(globex)];
    await expect.poll(() => pending.length).toBe(3);
    expect((await ask(globex)).body.detail).toContain('3 questions');
    for (const end of pending) end();
    await Promise.all([...first, ...others]);
    for (const [n, path] of ['/v1/search', '/'].entries()) {
      const again = ask(acme, path);
      await expect.poll(() => pending.length).toBe(4 + n);
      pending.at(-1)?.();
      expect((await again).headers.get('ratelimit'), path).toBe('"questions";r=2');
    }
  });

  test('bound the questions that a tenant will have answered later', async () => {
    const { as, writer } = await tenantWith({ questions: 2 });
    await writer('PUT', '/v1/documents/a', { text: 'x' });
    const reader = await as('reader');
    const ask = () => reader('POST', '/v1/rag', { question: 'x' }, { headers: { prefer: 'respond-async' } });
    const asked = await Promise.all([ask(), ask(), ask()]);
    expect(asked.map(({ status }) => status).toSorted()).toEqual([202, 202, 429]);
    const refused = asked.find(({ status }) => status === 429);
    expect(refused?.headers.get('ratelimit-policy')).toBe('"questions";q=2;qu="concurrent-requests"');
    expect(refused?.headers.get('retry-after')).toBe('1');
  });

  test('that were changed hold at once', async () => {
    const { tenant, writer } = await tenantWith({ documents: 1 });
    const operator = await guarded.caller('admin', { tenant: 'house' });
    const put = async (id: string) => (await writer('PUT', `/v1/documents/${id}`, { text: 'x' })).status;
    expect([await put('a'), await put('b')]).toEqual([202, 429]);
    await operator('PUT', '/v1/admin/quotas', { tenant, documents: 2 });
    expect([await put('b'), await put('c')]).toEqual([202, 429]);
    const changed = await operator('PATCH', '/v1/admin/quotas', { tenant, bytes: 100 });
    expect(changed.body.quota).toMatchObject({ documents: 2, bytes: 100 });
    expect((await writer('PATCH', '/v1/admin/quotas', { documents: 9 })).status).toBe(403);
    const byDefault = await operator('PUT', '/v1/admin/quotas', { tenant });
    expect(byDefault.body.quota.documents).toBe(3);
    expect((await operator('PUT', '/v1/admin/quotas', { documents: -1 })).status).toBe(400);
    expect(await auditOf(operator, `?tenant=${tenant}&action=quota.set`)).toMatchObject([
      { details: { documents: null } },
      { details: { bytes: 100 } },
      { details: { documents: 2 } },
      { details: { documents: 1 } },
    ]);
  });

  test('events are taken from the Broker where only the Broker can reach this address', async () => {
    const { ask } = guarded;
    expect((await ask(undefined, 'POST', '/', undefined, writeBinary(submission('x')))).status).toBe(204);
    expect((await ask(undefined, 'POST', '/', { question: 'x' })).status).toBe(401);
  });
});
