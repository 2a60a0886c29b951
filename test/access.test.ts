import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../functions/_shared/testing.ts';
import { post, type Reply, send } from './support/access/exchange.ts';
import { faults } from './support/access/oracle.ts';
import { exchange } from './support/access/requests.ts';
import { openScene, type Scene } from './support/access/scene.ts';
import { openTally } from './support/access/tally.ts';
import { question } from './support/access/world.ts';

/**
 * Nobody sees what is not theirs: requests at random over the whole API, by callers of three tenants with all kinds of
 * rights, on documents in which everything is marked. The long form: `npm run test:access -- --requests 100000`.
 * KNARR_ACCESS_REQUESTS: how many; KNARR_ACCESS_POSTGRES=1: with the documents on a PostgreSQL server.
 */
const REQUESTS = Number(process.env.KNARR_ACCESS_REQUESTS ?? 2000);
const LANES = 8;
/** Of other tenants, or the operator's alone, and there is none here. */
const GRANTED_TO_NOBODY = [
  'DELETE /v1/admin/keys/{id}',
  'PATCH /v1/admin/quotas',
  'POST /v1/admin/reconcile',
  'POST /v1/dead-letters/{id}/replay',
  'PUT /v1/admin/quotas',
];
/** So many requests leave no call to chance. */
const LONG = 10_000;
/** There is more to look at after a long run. */
const PATIENCE_MS = 60_000 + REQUESTS * 10;

const random = seededRandom('access');
let scene: Scene;
beforeAll(async () => {
  scene = await openScene(random, { onPostgres: Boolean(process.env.KNARR_ACCESS_POSTGRES) });
}, 300_000);
afterAll(() => scene?.close());

test(
  'no request shows anybody what is not theirs',
  async () => {
    const { play, askers, secrets } = scene;
    const found: string[] = [];
    const tally = openTally();
    const started = performance.now();
    let made = 0;
    let seen = 0;
    const lane = async () => {
      while (made < REQUESTS && found.length < 20) {
        made++;
        if (made % LONG === 0) console.info(`access: ${made} of ${REQUESTS}`);
        const done = await exchange(play, random.pick(askers));
        found.push(...faults(done, play.world, secrets));
        tally.add(done);
        seen += play.world.find(done.reply.text).length;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const seconds = (performance.now() - started) / 1000;
    console.info(
      `access: ${made} requests in ${Math.round(seconds)} s (${Math.round(made / seconds)}/s), ` +
        `${seen} canaries seen by those who may, ${found.length} faults`,
      tally.statuses,
    );
    for (const line of tally.lines()) console.info(`  ${line}`);
    expect(found).toEqual([]);
    // Nothing of what is documented was left out.
    expect(tally.without('made')).toEqual([]);
    if (REQUESTS >= LONG) expect(tally.without('granted').sort()).toEqual(GRANTED_TO_NOBODY);
    // The test sees something: otherwise it would prove nothing.
    expect(seen).toBeGreaterThan(made / 4);
    expect(tally.statuses[200]).toBeGreaterThan(made / 4);
    await scene.settled();
  },
  REQUESTS * 1000,
);

const signedIn = () => scene.askers.filter(({ role }) => role !== 'none');
const parsed = ({ text }: Reply) => JSON.parse(text);

test(
  'lists and counts hold what the caller may read, and nothing else',
  async () => {
    const { play } = scene;
    for (const asker of signedIn()) {
      const readable = play.world.documents
        .filter((document) => play.world.readsNow(asker, document))
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
    const { play } = scene;
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
    for (const asker of signedIn()) {
      const hidden = play.world.documents.filter(
        (each) => each.tenant === asker.tenant && each.reigns.length > 0 && !play.world.readsNow(asker, each),
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
          const { reply } = await post(play, asker, '/v1/search', { query: 'harbour', mode, collection });
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
    const { play, askers, byName, put, settled } = scene;
    const readers = askers.filter(
      ({ tenant, name }) => tenant === 'acme' && ['reader', 'engineer'].includes(name),
    );
    const queries = Array.from({ length: 5 }, () => question(random));
    const scores = async (modes: string[]) => {
      const all: unknown[] = [];
      for (const asker of readers) {
        for (const mode of modes) {
          for (const query of queries) {
            const body = { query, mode, collection: 'news', limit: 10 };
            const { reply } = await post(play, asker, '/v1/search', body);
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
    for (let n = 0; n < 10; n++) await put(byName('globex', 'everything'), ['*'], 'news');
    await settled();
    expect(await scores(modes)).toEqual(before);
    // Within the tenant, words are counted over all of its documents (docs/security.md): only likeness stays exactly the same.
    const dense = await scores(['dense']);
    for (let n = 0; n < 10; n++) await put(byName('acme', 'bob'), ['group:hr'], 'news');
    await settled();
    expect(await scores(['dense'])).toEqual(dense);
  },
  PATIENCE_MS,
);

test('the log holds nobody’s words, and no secret', async () => {
  const { server, log } = scene;
  await server.stop();
  expect(log.lines).toBeGreaterThan(20);
  expect(log.leaks).toEqual([]);
});
