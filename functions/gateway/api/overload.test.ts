import { afterEach, expect, test } from 'vitest';
import type { Role } from '../../_shared/stores/access/port.ts';
import { type Guarded, openGuarded } from '../auth/testing.ts';
import type { Reply } from '../testing.ts';

let guarded: Guarded | undefined;
afterEach(() => guarded?.gateway.close());

/** A gateway whose searches end when told to; each is known by its tenant. */
async function busy(env: Record<string, string>) {
  const searching: { tenant: string; end: () => void }[] = [];
  const search = (_: unknown, { tenant }: { tenant: string }) =>
    new Promise<never>((_, reject) =>
      searching.push({ tenant, end: () => reject(new Error('That is enough.')) }),
    );
  const one = await openGuarded(env, { search });
  guarded = one;
  const as = (tenant: string, role: Role = 'reader') => one.caller(role, { tenant });
  return { ...one, searching, as };
}

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
  const { searching, as } = await busy({ KNARR_MAX_QUESTIONS: '4' });
  const [noisy, quiet] = [await as('noisy'), await as('quiet')];
  const flood = Array.from({ length: 12 }, () => noisy('POST', '/v1/search', question));
  // Nobody ends anything yet: only those that were refused are answered.
  const refused = new Set<Reply>();
  for (const reply of flood) void reply.then((one) => refused.add(one));
  await soon(() => refused.size).toBe(8);
  for (const reply of refused) expectRefused(reply);
  expect(searching.map(({ tenant }) => tenant)).toEqual(Array(4).fill('noisy'));

  const asked = [quiet('POST', '/v1/search', question), quiet('POST', '/v1/rag', { question: 'x' })];
  expectRefused(await noisy('POST', '/v1/search', question));
  for (let turn = 0; turn < 2; turn++) {
    searching[turn]?.end();
    await soon(() => searching.length).toBe(5 + turn);
    expect(searching[4 + turn]?.tenant).toBe('quiet');
    // What became free is not the noisy one's again: it has more than its share.
    expectRefused(await noisy('POST', '/v1/search', question));
  }
  for (const { end } of searching) end();
  await Promise.all([...flood, ...asked]);
});

test('a question for which there is no place is refused before it is read', async () => {
  const { searching, as } = await busy({ KNARR_MAX_QUESTIONS: '1' });
  const noisy = await as('noisy');
  const first = noisy('POST', '/v1/search', question);
  await soon(() => searching.length).toBe(1);
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
  searching[0]?.end();
  await first;
});

test('a question that waits for its turn longer than it has time is refused', async () => {
  const { searching, as } = await busy({ KNARR_MAX_QUESTIONS: '1' });
  const [noisy, quiet] = [await as('noisy'), await as('quiet')];
  const first = noisy('POST', '/v1/search', question);
  await soon(() => searching.length).toBe(1);
  const late = await quiet('POST', '/v1/search', { ...question, budget_ms: 50 });
  expectRefused(late);
  expect(late.body.code).toBe('unavailable');
  searching[0]?.end();
  await first;
  expect(searching).toHaveLength(1);
});

test('writes are bounded, and shared in the same way', async () => {
  const { as, gateway } = await busy({ KNARR_MAX_WRITES: '2' });
  const storing: (() => void)[] = [];
  const { originals } = gateway.deps;
  gateway.deps.originals = {
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
});

test('a flood of unknown tokens does not become a flood of look-ups', async () => {
  const { as, gateway, ask } = await busy({});
  const known = await as('acme');
  expect((await known('GET', '/v1/documents')).status).toBe(200);
  let most = 0;
  let atWork = 0;
  const lookups: (() => void)[] = [];
  const { access } = gateway.deps;
  const { findKey } = access;
  access.findKey = async (id) => {
    most = Math.max(most, ++atWork);
    await new Promise<void>((resolve) => lookups.push(resolve));
    atWork--;
    return findKey(id);
  };
  const keys = await Promise.all(Array.from({ length: 100 }, (_, n) => guardedKey(n)));
  const flood = keys.map((token) => ask(token, 'GET', '/v1/documents'));
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
});

/** Well-formed, and nobody's. */
const guardedKey = async (n: number): Promise<string> =>
  (await (guarded as Guarded).key('reader', { name: `k${n}` })).key.replace(/.$/, (last) =>
    last === '0' ? '1' : '0',
  );
