import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EventData, emit, toCloudEvent } from '../functions/_shared/events.ts';
import type { NewApiKey } from '../functions/_shared/stores/access/port.ts';
import { openLedger } from '../functions/_shared/stores/open.ts';
import { seededRandom } from '../functions/_shared/testing.ts';
import { describeApi } from '../functions/gateway/api/app.ts';
import { newDocument, newVersion, write } from './support/access/documents.ts';
import { type Exchange, type Play, type Reply, send } from './support/access/exchange.ts';
import { openLog, type WatchedLog } from './support/access/log.ts';
import { type ServerProcess, startServer } from './support/access/process.ts';
import { exchange } from './support/access/requests.ts';
import { type Asker, prose, question, World } from './support/access/world.ts';
import { AUDIENCE, startIssuer, type TestIssuer } from './support/issuer.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

/**
 * Nobody sees what is not theirs: requests at random over the whole API, by callers of three tenants with all kinds of
 * rights, on documents in which everything is marked. The long form: `npm run test:access -- --requests 100000`.
 * KNARR_ACCESS_REQUESTS: how many; KNARR_ACCESS_POSTGRES=1: with the documents on a PostgreSQL server.
 */
const REQUESTS = Number(process.env.KNARR_ACCESS_REQUESTS ?? 2000);
const LANES = 8;
const TENANTS = ['acme', 'globex', 'initech'] as const;
/** The one tenant that has a quota: its answers alone say what is left. */
const LIMITED = 'initech';
/** Of other tenants, or the operator's alone, and there is none here. */
const GRANTED_TO_NOBODY = [
  'DELETE /v1/admin/keys/{id}',
  'POST /v1/admin/reconcile',
  'POST /v1/dead-letters/{id}/replay',
  'PUT /v1/admin/quotas',
];
/** So many requests leave no call to chance. */
const LONG = 10_000;
/** There is more to look at after a long run. */
const PATIENCE_MS = 60_000 + REQUESTS * 10;
const ACLS = [['*'], ['*'], ['group:eng'], ['user:ann'], ['group:hr', 'user:bob']];

const random = seededRandom('access');
const world = new World(random);
const nobody: Asker = { name: 'nobody', tenant: '', role: 'none', principals: [], named: new Set() };
const askers: Asker[] = [];
const secrets: string[] = [];
let folder: string;
let postgres: TestPostgres | undefined;
let issuer: TestIssuer;
let server: ServerProcess;
let log: WatchedLog;
let play: Play;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-access-'));
  issuer = await startIssuer();
  const collections = Object.fromEntries(TENANTS.map((tenant) => [tenant, collectionsOf(tenant)]));
  postgres = process.env.KNARR_ACCESS_POSTGRES ? await startPostgres() : undefined;
  const { keys, deadLetters } = await prepareStore();
  log = openLog(world, secrets, prose(random).slice(0, 12));
  server = await startServer(
    {
      KNARR_DATA_DIR: folder,
      ...(postgres && { DATABASE_URL: postgres.url }),
      KNARR_AUTH: 'keys,oidc',
      KNARR_OIDC_ISSUER: issuer.url,
      KNARR_OIDC_AUDIENCE: AUDIENCE,
      KNARR_STREAM_TIMEOUT: '5s',
    },
    log.add,
  );
  play = { url: server.url, world, random, collections, asked: [], deadLetters, heard: [], keys };
  for (const tenant of TENANTS) {
    const writer = byName(tenant, 'everything');
    for (const collection of collections[tenant] as string[]) {
      // The last collection has nothing for everybody.
      const acls = collection.startsWith('cnry') ? [['group:hr']] : [...ACLS, ...ACLS];
      for (const acl of acls) await put(writer, tenant, [...acl], collection);
    }
  }
  await settled();
}, 300_000);

afterAll(async () => {
  await server?.stop();
  await issuer?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

const byName = (tenant: string, name: string) =>
  askers.find((asker) => asker.tenant === tenant && asker.name === name) as Asker;

/** Two that every tenant has, and one whose name says something. */
function collectionsOf(tenant: string): string[] {
  const secret = world.plant({ kind: 'collection', tenant, acl: [], collection: '' });
  for (const { canary } of world.find(secret)) canary.collection = secret;
  return ['default', 'news', secret];
}

async function put(writer: Asker, tenant: string, acl: string[], collection: string): Promise<string> {
  const document = newDocument(world, tenant, acl, collection);
  const version = newVersion(world, random, document, acl, collection);
  const path = `/v1/documents/${encodeURIComponent(document.id)}`;
  const status = await write(document, version, writer, async () => {
    const headers = { 'content-type': 'application/json' };
    return (await send(play, writer, 'PUT', path, JSON.stringify(version), headers)).reply.status;
  });
  expect(status).toBe(202);
  return document.id;
}

/** Waits until every document is indexed. */
async function settled(): Promise<void> {
  for (const tenant of TENANTS) {
    const writer = byName(tenant, 'everything');
    const count = async (state: string) =>
      JSON.parse((await send(play, writer, 'GET', `/v1/documents?limit=1&state=${state}`)).reply.text)
        .documents.length;
    for (const state of ['accepted', 'chunked', 'embedded']) while ((await count(state)) > 0) await sleep(50);
  }
}

/** Keys and dead letters, put into the store before a server has it; and users of the issuer. */
async function prepareStore(): Promise<Pick<Play, 'keys' | 'deadLetters'>> {
  const { documents, access } = await openLedger({ dataDir: folder, databaseUrl: postgres?.url });
  await access.setQuota(
    LIMITED,
    { documents: null, bytes: null, requestsPerSecond: 100_000, questions: 1000 },
    { actor: 'test' },
  );
  const keys: Play['keys'] = [];
  const deadLetters: string[] = ['none'];
  for (const tenant of TENANTS) {
    const add = async (name: string, role: NewApiKey['role'], more: Partial<NewApiKey> = {}) => {
      const given = { tenant, name, role, collections: null, principals: [], expiresAt: null, ...more };
      const { key, record } = await access.createKey(given, { actor: 'test' });
      secrets.push(key);
      keys.push({ id: record.id, tenant });
      const principals = ['*', `user:${name}`, `key:${record.id}`, ...given.principals];
      askers.push({
        name,
        tenant,
        role,
        principals,
        named: new Set(),
        token: key,
        ...(given.collections && { collections: given.collections }),
      });
      return record.id;
    };
    await add('everything', 'writer', { principals: ['group:eng', 'group:hr', 'user:ann', 'user:bob'] });
    await add('reader', 'reader');
    await add('engineer', 'reader', { principals: ['group:eng'] });
    await add('ann', 'writer');
    await add('bob', 'writer', { principals: ['group:hr'] });
    await add('scoped', 'writer', { collections: ['news'], principals: ['group:eng'] });
    await add('chief', 'admin');
    for (const groups of [[], ['eng'], ['hr', 'eng']]) {
      const name = `carl${groups.length}`;
      const exp = Math.floor(Date.now() / 1000) + 86_400;
      const token = await issuer.sign({ sub: name, tenant, groups, roles: ['reader'], exp });
      secrets.push(token);
      const principals = ['*', `user:${name}`, ...groups.map((group) => `group:${group}`)];
      askers.push({ name, tenant, role: 'reader', principals, named: new Set(), token });
    }
    const revoked = await access.createKey(
      { tenant, name: 'former', role: 'admin', collections: null, principals: ['group:hr'], expiresAt: null },
      { actor: 'test' },
    );
    await access.revokeKey(tenant, revoked.record.id, { actor: 'test' });
    askers.push({ ...nobody, name: `former of ${tenant}`, token: revoked.key });

    // What was asked and failed half-way, with all that it carried.
    for (const principals of [
      ['*', 'user:ann'],
      ['*', 'user:bob', 'group:hr'],
    ]) {
      const about = { tenant, acl: principals, collection: '' };
      const data = {
        query: 'q',
        question: `${question(random)} ${world.plant({ ...about, kind: 'question' })}`,
        collection: 'default',
        principals,
        passages: [],
      };
      const id = `letter-${tenant}-${principals.length}`;
      deadLetters.push(id);
      await documents.addDeadLetter({
        id,
        tenant,
        event: toCloudEvent(
          'fetch',
          emit('query.grounded', 'q', data as unknown as EventData<'query.grounded'>),
          { tenant },
        ),
        code: 'internal',
        message: 'It failed.',
        destination: 'http://generate',
        receivedAt: new Date().toISOString(),
      });
    }
  }
  askers.push(nobody, { ...nobody, name: 'garbage', token: `knarr_${'0'.repeat(16)}_${'x'.repeat(43)}` });
  await documents.close();
  return { keys, deadLetters };
}

/** Canaries in an answer that the asker may not see. To an admin, audit log and dead letters name documents and collections. */
function leaks({ asker, call, sent, reply, from, to }: Exchange): string[] {
  const headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  return world
    .find(`${headers}\n${reply.text}`)
    .filter(({ token }) => !sent.includes(token))
    .filter(({ canary }) => {
      const isNamed = asker.role === 'admin' && /^GET \/v1\/(audit|dead-letters)/.test(call);
      const isOwn =
        canary.kind === 'id'
          ? canary.documents?.some(({ tenant }) => tenant === asker.tenant)
          : canary.kind === 'collection' && canary.tenant === asker.tenant;
      return !(isNamed && isOwn);
    })
    .filter(({ token }) => !(asker.named.has(token) && /^GET \/v1\/(dead-letters|audit)/.test(call)))
    .filter(({ canary }) => !world.maySee(asker, canary, from, to))
    .map(
      ({ token, canary }) =>
        `${asker.tenant} ${asker.name} saw ${canary.tenant}'s ${canary.kind} ${token}: ${call}`,
    );
}

/** What an answer must not be. */
function faults(done: Exchange): string[] {
  const { asker, call, reply, expected } = done;
  const shown = `${asker.tenant} ${asker.name}: ${call}: ${reply.status} ${reply.text.slice(0, 200)}`;
  const isFailure = reply.status >= 500 && reply.status !== 503 && reply.status !== 504;
  return [
    ...leaks(done),
    ...(isFailure ? [`failed: ${shown}`] : []),
    ...(expected !== undefined && reply.status !== expected ? [`expected ${expected}: ${shown}`] : []),
    ...(secrets.some((secret) => reply.text.includes(secret)) ? [`a secret: ${shown}`] : []),
    ...(asker.tenant !== LIMITED && reply.headers.has('ratelimit') ? [`another's quota: ${shown}`] : []),
  ];
}

/** Every call that the API documents: method and path, as a pattern of what was called. */
const CALLS = Object.entries(describeApi().paths ?? {}).flatMap(([path, methods]) =>
  Object.keys(methods as object).map((method) => ({
    name: `${method.toUpperCase()} ${path}`,
    pattern: new RegExp(`^${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  })),
);
const nameOf = (call: string) => {
  const [bare = ''] = call.split('?');
  return CALLS.find(({ pattern }) => pattern.test(bare))?.name ?? 'others';
};

test(
  'no request shows anybody what is not theirs',
  async () => {
    const found: string[] = [];
    const statuses: Record<number, number> = {};
    const kinds = Object.fromEntries(CALLS.map(({ name }) => [name, { made: 0, granted: 0, ms: 0 }]));
    const started = performance.now();
    let made = 0;
    let seen = 0;
    const lane = async () => {
      while (made < REQUESTS && found.length < 20) {
        made++;
        if (made % LONG === 0) console.info(`access: ${made} of ${REQUESTS}`);
        const done = await exchange(play, random.pick(askers));
        found.push(...faults(done));
        statuses[done.reply.status] = (statuses[done.reply.status] ?? 0) + 1;
        seen += world.find(done.reply.text).length;
        const kind = kinds[nameOf(done.call)];
        if (!kind) continue;
        kind.made++;
        kind.ms += done.to - done.from;
        if (done.reply.status < 300) kind.granted++;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const seconds = (performance.now() - started) / 1000;
    console.info(
      `access: ${made} requests of ${CALLS.length} calls in ${Math.round(seconds)} s (${Math.round(made / seconds)}/s), ` +
        `${seen} canaries seen by those who may, ${found.length} faults`,
      statuses,
    );
    for (const [name, { made: times, granted, ms }] of Object.entries(kinds))
      console.info(`  ${name}: ${times}, of which ${granted} granted, ${(ms / times).toFixed(1)} ms each`);
    expect(found).toEqual([]);
    // Nothing of what is documented was left out.
    const without = (count: 'made' | 'granted') =>
      Object.keys(kinds).filter((name) => kinds[name]?.[count] === 0);
    expect(without('made')).toEqual([]);
    if (REQUESTS >= LONG) expect(without('granted').sort()).toEqual(GRANTED_TO_NOBODY);
    // The test sees something: otherwise it would prove nothing.
    expect(seen).toBeGreaterThan(made / 4);
    expect(statuses[200]).toBeGreaterThan(made / 4);
    await settled();
  },
  REQUESTS * 1000,
);

const parsed = ({ text }: Reply) => JSON.parse(text);

test(
  'lists and counts hold what the caller may read, and nothing else',
  async () => {
    for (const asker of askers.filter(({ role }) => role !== 'none')) {
      const readable = world.documents
        .filter((document) => world.readsNow(asker, document))
        .map(({ id }) => id);
      const current: string[] = [];
      const deleted: string[] = [];
      for (const [state, ids] of [
        ['', current],
        ['&state=deleted', deleted],
      ] as const) {
        let cursor = '';
        do {
          const { reply } = await send(play, asker, 'GET', `/v1/documents?limit=50${state}${cursor}`);
          ids.push(...parsed(reply).documents.map(({ id }: { id: string }) => id));
          cursor = parsed(reply).next ? `&cursor=${parsed(reply).next}` : '';
        } while (cursor !== '');
      }
      expect([...current, ...deleted].sort(), asker.name).toEqual(readable.sort());
      const { collections } = parsed((await send(play, asker, 'GET', '/v1/collections')).reply);
      const counted = collections.reduce(
        (sum: number, { documents }: { documents: number }) => sum + documents,
        0,
      );
      expect(counted, asker.name).toBe(current.length);
    }
  },
  PATIENCE_MS,
);

test(
  'what is hidden is answered as what is not there, down to the headers',
  async () => {
    // Times and what is left of a quota are never twice the same.
    const VARYING = ['server-timing', 'ratelimit'];
    const shape = ({ status, headers, text }: Reply) => ({
      status,
      text,
      headers: [...headers]
        .filter(([name]) => name !== 'date')
        .map(([name, value]) => [name, VARYING.includes(name) ? value.replace(/=[\d.]+/g, '') : value]),
    });
    const absent = `reports/${'n'.repeat(15)}`;
    for (const asker of askers.filter(({ role }) => role !== 'none')) {
      const hidden = world.documents.filter(
        (each) => each.tenant === asker.tenant && each.reigns.length > 0 && !world.readsNow(asker, each),
      );
      const calls: [string, (id: string) => string][] = [
        ['GET', (id) => `/v1/documents/${id}`],
        ['GET', (id) => `/v1/documents/${id}/versions`],
        ['GET', (id) => `/v1/documents/${id}/events`],
        ...(asker.role === 'reader'
          ? []
          : [['DELETE', (id: string) => `/v1/documents/${id}`] as [string, (id: string) => string]]),
      ];
      for (const [method, path] of calls) {
        const nowhere = shape((await send(play, asker, method, path(encodeURIComponent(absent)))).reply);
        expect(nowhere.status).toBe(404);
        for (const { id } of hidden.slice(0, 3)) {
          const there = shape((await send(play, asker, method, path(encodeURIComponent(id)))).reply);
          expect(there, `${asker.name} ${method} ${path(id)}`).toEqual(nowhere);
        }
      }
      const secret = (play.collections[asker.tenant] as string[]).at(-1) as string;
      if (asker.principals.includes('group:hr')) continue;
      for (const mode of ['hybrid', 'dense', 'lexical']) {
        const search = async (collection: string) => {
          const body = JSON.stringify({ query: 'harbour', mode, collection });
          const { reply } = await send(play, asker, 'POST', '/v1/search', body, {
            'content-type': 'application/json',
          });
          return shape({ ...reply, text: reply.text.replaceAll(collection, '(collection)') });
        };
        expect(await search(secret)).toEqual(await search('c'.repeat(15)));
      }
    }
  },
  PATIENCE_MS,
);

test(
  'what others put in changes no score',
  async () => {
    const readers = askers.filter(
      ({ tenant, name }) => tenant === 'acme' && ['reader', 'engineer'].includes(name),
    );
    const queries = Array.from({ length: 5 }, () => question(random));
    const scores = async (modes: string[]) => {
      const all: unknown[] = [];
      for (const asker of readers) {
        for (const mode of modes) {
          for (const query of queries) {
            const body = JSON.stringify({ query, mode, collection: 'news', limit: 10 });
            const { reply } = await send(play, asker, 'POST', '/v1/search', body, {
              'content-type': 'application/json',
            });
            const { passages } = parsed(reply);
            all.push([
              asker.name,
              mode,
              query,
              passages.map((each: Record<string, unknown>) => [each.document, each.score]),
            ]);
          }
        }
      }
      return all;
    };
    const modes = ['hybrid', 'dense', 'lexical'];
    const before = await scores(modes);
    for (let n = 0; n < 10; n++) await put(byName('globex', 'everything'), 'globex', ['*'], 'news');
    await settled();
    expect(await scores(modes)).toEqual(before);
    // Within the tenant, words are counted over all of its documents (docs/security.md): only likeness stays exactly the same.
    const dense = await scores(['dense']);
    for (let n = 0; n < 10; n++) await put(byName('acme', 'bob'), 'acme', ['group:hr'], 'news');
    await settled();
    expect(await scores(['dense'])).toEqual(dense);
  },
  PATIENCE_MS,
);

test('the log holds nobody’s words, and no secret', async () => {
  await server.stop();
  expect(log.lines).toBeGreaterThan(20);
  expect(log.leaks).toEqual([]);
});
