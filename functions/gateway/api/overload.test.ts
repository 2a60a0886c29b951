import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Role } from '../../_shared/stores/access/port.ts';
import { type Guarded, openGuarded } from '../auth/testing.ts';
import { type Reply, serverEvents } from '../testing.ts';

let guarded: Guarded;
/** Searches that end when told to; the query `quick` ends by itself. */
let searching: { tenant: string; end: () => void }[] = [];

beforeAll(async () => {
  guarded = await openGuarded(
    { KNARR_MAX_QUESTIONS: '2', KNARR_MAX_WRITES: '2' },
    {
      search: async ({ query }, { tenant }) => {
        if (query === 'quick') return { hits: [], mode: 'lexical', degraded: [] };
        return new Promise((_, reject) =>
          searching.push({ tenant, end: () => reject(new Error('That is enough.')) }),
        );
      },
      fetch: async () => ({ passages: [], dropped: 0 }),
      async generate(_, { onProgress }) {
        onProgress?.({ text: 'Yes.' });
        return { answer: 'Yes.', answered: true, citations: [], model: 'm', degraded: [] };
      },
    },
  );
});
afterAll(() => guarded.gateway.close());
afterEach(() => {
  searching = [];
});

const as = (tenant: string, role: Role = 'reader') => guarded.caller(role, { tenant });

/** However busy this machine is. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 });
const question = { query: 'x', mode: 'lexical' };

/** Every refusal says when to come back, and what is wrong. */
function expectRefused({ status, headers, body }: Reply): void {
  expect([429, 503]).toContain(status);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) });
}

test('questions beyond what can be answered are refused at once; another tenant’s are next', async () => {
  const [noisy, quiet] = [await as('noisy'), await as('quiet')];
  const flood = Array.from({ length: 10 }, () => noisy('POST', '/v1/search', question));
  // Nobody ends anything yet: only those that were refused are answered.
  const refused = new Set<Reply>();
  for (const reply of flood) void reply.then((one) => refused.add(one));
  await soon(() => refused.size).toBe(8);
  for (const reply of refused) expectRefused(reply);
  expect(searching.map(({ tenant }) => tenant)).toEqual(['noisy', 'noisy']);

  const asked = quiet('POST', '/v1/search', question);
  // It waits; of what becomes free the noisy one gets nothing, since it has its share.
  await soon(async () => (await noisy('POST', '/v1/search', question)).status).toBe(429);
  searching[0]?.end();
  await soon(() => searching.length).toBe(3);
  expect(searching[2]?.tenant).toBe('quiet');
  expectRefused(await noisy('POST', '/v1/search', question));
  for (const { end } of searching) end();
  await Promise.all([...flood, asked]);
});

test('a question for which there is no place is refused before it is read', async () => {
  const noisy = await as('noisy');
  const first = [1, 2].map(() => noisy('POST', '/v1/search', question));
  await soon(() => searching.length).toBe(2);
  const unread = new ReadableStream({
    pull() {
      throw new Error('It was read.');
    },
  });
  for (const path of ['/v1/search', '/v1/rag', '/rag', '/']) {
    expectRefused(await noisy('POST', path, undefined, { body: unread, duplex: 'half' } as RequestInit));
  }
  // Neither what is no question nor what is answered later waits for a place.
  expect((await noisy('GET', '/v1/documents')).status).toBe(200);
  const later = await noisy('POST', '/v1/rag', { question: 'x' }, { headers: { prefer: 'respond-async' } });
  expect(later.status).toBe(404);
  for (const { end } of searching) end();
  await Promise.all(first);
});

test('a question that waits for its turn longer than it has time is refused', async () => {
  const [noisy, quiet] = [await as('noisy'), await as('quiet')];
  const first = [1, 2].map(() => noisy('POST', '/v1/search', question));
  await soon(() => searching.length).toBe(2);
  const late = await quiet('POST', '/v1/search', { ...question, budget_ms: 50 });
  expectRefused(late);
  expect(late.body.code).toBe('unavailable');
  for (const { end } of searching) end();
  await Promise.all(first);
  expect(searching).toHaveLength(2);
});

test('a stream that nobody reads holds no turn once its answer is made', async () => {
  const { key: token } = await guarded.key('reader');
  const asked = { question: 'quick', mode: 'lexical' };
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...asked, stream: true }),
  };
  const ask = () => guarded.gateway.running.fetch(new Request('http://localhost/v1/rag', init));
  const unread = [await ask(), await ask()];
  expect(unread.map(({ status }) => status)).toEqual([200, 200]);
  await soon(async () => (await guarded.ask(token, 'POST', '/v1/rag', asked)).status).toBe(200);
  for (const stream of unread) {
    const events = serverEvents(await stream.text()).map(({ event }) => event);
    expect(events).toEqual(['sources', 'token', 'done']);
  }
});

test('writes are bounded, and shared in the same way', async () => {
  const storing: (() => void)[] = [];
  const { deps } = guarded.gateway;
  const { originals } = deps;
  deps.originals = {
    ...originals,
    put: (...given) => new Promise((resolve) => storing.push(() => resolve(originals.put(...given)))),
  };
  const [noisy, quiet] = [await as('noisy', 'writer'), await as('quiet', 'writer')];
  const put = (of: typeof noisy, id: string) => of('PUT', `/v1/documents/${id}`, { text: id });
  const replies = ['a', 'b', 'c', 'd'].map((id) => put(noisy, id));
  const refused: Reply[] = [];
  for (const reply of replies) void reply.then((one) => one.status === 429 && refused.push(one));
  await soon(() => [storing.length, refused.length]).toEqual([2, 2]);
  for (const reply of refused) expectRefused(reply);
  const waiting = put(quiet, 'e');
  storing[0]?.();
  await soon(() => storing.length).toBe(3);
  for (const store of storing) store();
  expect((await waiting).status).toBe(202);
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([202, 202, 429, 429]);
  deps.originals = originals;
});

test('a flood of unknown tokens does not become a flood of look-ups', async () => {
  const known = await as('acme');
  expect((await known('GET', '/v1/documents')).status).toBe(200);
  let most = 0;
  let atWork = 0;
  const lookups: (() => void)[] = [];
  const { access } = guarded.gateway.deps;
  const { findKey } = access;
  access.findKey = async (id) => {
    most = Math.max(most, ++atWork);
    await new Promise<void>((resolve) => lookups.push(resolve));
    atWork--;
    return findKey(id);
  };
  const keys = await Promise.all(Array.from({ length: 100 }, (_, n) => guardedKey(n)));
  const flood = keys.map((token) => guarded.ask(token, 'GET', '/v1/documents'));
  const refused: Reply[] = [];
  for (const reply of flood) void reply.then((one) => one.status === 503 && refused.push(one));
  await soon(() => refused.length).toBe(36);
  for (const reply of refused) expectRefused(reply);
  // Who is known needs none.
  expect((await known('GET', '/v1/documents')).status).toBe(200);
  for (const resolve of lookups.splice(0)) resolve();
  const statuses = (await Promise.all(flood)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(64);
  expect(most).toBe(64);
  access.findKey = findKey;
});

/** Well-formed, and nobody's. */
const guardedKey = async (n: number): Promise<string> =>
  (await guarded.key('reader', { name: `k${n}` })).key.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
