import { randomUUID } from 'node:crypto';
import { newVersion, write } from './documents.ts';
import { type Asker, type Document, question, type Random, type World } from './world.ts';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

/** What was asked and answered, as the oracle looks at it. */
export interface Exchange {
  asker: Asker;
  /** Method and path. */
  call: string;
  /** All that was sent: what it holds may come back. */
  sent: string;
  reply: Reply;
  from: number;
  to: number;
  /** Status that it must have had. */
  expected?: number | undefined;
}

export interface Play {
  url: string;
  world: World;
  random: Random;
  /** Collections by tenant; one that another tenant has, too, is among them. */
  collections: Record<string, string[]>;
  /** Ids of asynchronous questions, with those who asked. */
  asked: { id: string; asker: Asker }[];
  deadLetters: string[];
  keys: { id: string; tenant: string }[];
}

const json = { 'content-type': 'application/json' };
const INSIDE = {
  'knarr-tenant': 'acme',
  'knarr-principals': '*,user:ann,group:eng,group:hr',
  'knarr-deadline': '2100-01-01T00:00:00Z',
};

/** One request that this asker may or may not make, drawn at random over every call of the API. */
export async function exchange(play: Play, asker: Asker): Promise<Exchange> {
  const { random, world } = play;
  const { pick, below } = random;
  const anywhere = () => pick(world.documents);
  const anyCollection = () => pick(Object.values(play.collections).flat());
  const aQuestion = () => (below(4) === 0 ? somebodys(play) : question(random));
  const searching = () => ({
    mode: pick(['hybrid', 'dense', 'lexical']),
    collection: anyCollection(),
    limit: 1 + below(20),
    ...(below(4) === 0 && { filter: { eq: { tag: somebodys(play) } } }),
    ...(below(4) === 0 && { filter: { range: { level: { gte: below(5) } } } }),
  });
  const get = (path: string) => send(play, asker, 'GET', path);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    send(play, asker, 'POST', path, JSON.stringify(body), { ...json, ...headers });

  const CALLS: [weight: number, () => Promise<Exchange>][] = [
    [
      8,
      () =>
        get(
          `/v1/documents?limit=${1 + below(50)}${pick(['', '&state=indexed', '&state=deleted', `&collection=${anyCollection()}`])}`,
        ),
    ],
    [6, () => get(pathOf(anywhere()))],
    [3, () => get(`${pathOf(anywhere())}/versions`)],
    [2, () => get(`${pathOf(anywhere())}/events`)],
    [3, () => get('/v1/collections')],
    [12, () => post('/v1/search', { query: aQuestion(), neighbours: below(3), ...searching() })],
    [6, () => post(pick(['/v1/rag', '/rag', '/']), { question: aQuestion(), ...searching() })],
    [3, () => post('/v1/rag', { question: aQuestion(), stream: true, ...searching() })],
    [3, () => askLater(play, asker, searching())],
    [4, () => lookUp(play, asker)],
    [1, () => post('/v1/embeddings', { input: aQuestion() })],
    [1, () => get('/v1/models')],
    [3, () => get(`/v1/dead-letters?limit=50${pick(['', '&code=internal'])}`)],
    [3, () => get(`/v1/dead-letters/${pick(play.deadLetters)}`)],
    [2, () => get(`/v1/admin/keys${pick(['', '?tenant=globex', '?tenant=acme'])}`)],
    [1, () => revoke(play, asker)],
    [
      1,
      () => post('/v1/admin/keys', { name: 'x', role: 'admin', tenant: pick(['acme', 'globex', 'initech']) }),
    ],
    [1, () => get(`/v1/admin/quotas${pick(['', '?tenant=globex'])}`)],
    [
      2,
      () =>
        get(`/v1/audit?limit=100${pick(['', '&tenant=acme', '&outcome=denied', '&action=document.put'])}`),
    ],
    [1, () => post('/v1/admin/reconcile', { repair: false })],
    [5, () => overwrite(play, asker, anywhere())],
    [1, () => batch(play, asker)],
    [2, () => remove(play, asker, anywhere())],
    [
      1,
      () =>
        inject(play, asker, 'document.submitted', { document: anywhere().id, text: 'injected', acl: ['*'] }),
    ],
    [1, () => inject(play, asker, 'query.answered', { query: pick(play.asked)?.id ?? 'x', passages: [] })],
    [
      1,
      () =>
        get(pick(['/metrics', '/info', '/openapi.json', '/docs', '/', '/health/readiness', '/v1/nothing'])),
    ],
    [
      1,
      () =>
        send(
          play,
          asker,
          pick(['PATCH', 'OPTIONS', 'HEAD', 'PUT']),
          pick(['/v1/documents', '/v1/search', pathOf(anywhere())]),
        ),
    ],
  ];
  return pick(CALLS.flatMap(([weight, call]) => Array<typeof call>(weight).fill(call)))();
}

/** A word that is to be found in one document alone, of whatever tenant. */
function somebodys({ world, random }: Play): string {
  const { tokens } = random.pick(world.documents);
  return random.pick(tokens);
}

export async function send(
  play: Pick<Play, 'url' | 'random'>,
  asker: Asker,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Exchange> {
  const from = performance.now();
  const response = await fetch(play.url + path, {
    method,
    headers: {
      ...(asker.token && { authorization: `Bearer ${asker.token}` }),
      ...(play.random.below(3) === 0 && INSIDE),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  return {
    asker,
    call: `${method} ${path}`,
    sent: decodeURIComponent(path) + (body ?? ''),
    reply: { status: response.status, headers: response.headers, text },
    from,
    to: performance.now(),
  };
}

/** An answer, which is its asker's alone. */
async function lookUp(play: Play, asker: Asker): Promise<Exchange> {
  const { pick } = play.random;
  const asked = play.asked.length > 0 ? pick(play.asked) : undefined;
  const path = `/v1/queries/${asked?.id ?? randomUUID()}${pick(['', '/events'])}`;
  const done = await send(play, asker, 'GET', path);
  return { ...done, expected: asker.role === 'none' ? 401 : asked?.asker === asker ? 200 : 404 };
}

async function askLater(play: Play, asker: Asker, searching: object): Promise<Exchange> {
  const token = play.world.plant({
    kind: 'question',
    tenant: asker.tenant,
    acl: asker.principals,
    collection: '',
  });
  const body = JSON.stringify({ question: `${question(play.random)} ${token}`, ...searching });
  const done = await send(play, asker, 'POST', '/v1/rag', body, { ...json, prefer: 'respond-async' });
  if (done.reply.status === 202) play.asked.push({ id: JSON.parse(done.reply.text).id, asker });
  return done;
}

/** Holds documents while they are written; undefined when one of them is held already. */
async function holding<T>(documents: Document[], work: () => Promise<T>): Promise<T | undefined> {
  if (documents.some(({ isBusy }) => isBusy)) return undefined;
  for (const document of documents) document.isBusy = true;
  try {
    return await work();
  } finally {
    for (const document of documents) document.isBusy = false;
  }
}

const mayWrite = ({ role }: Asker) => role === 'writer' || role === 'admin';
const pathOf = ({ id }: Document) => `/v1/documents/${encodeURIComponent(id)}`;

/** A new version of a document, by whoever: those who may not read what is there must not be able to. */
async function overwrite(play: Play, asker: Asker, document: Document): Promise<Exchange> {
  const { world, random } = play;
  // Under an id of another tenant, the writer's own tenant has, or gets, a document of its own.
  const isOwn = document.tenant === asker.tenant || asker.role === 'none';
  const twin = () => world.documents.find(({ id, tenant }) => id === document.id && tenant === asker.tenant);
  const target = isOwn ? document : (twin() ?? world.twin(document, asker.tenant));
  const done = await holding([target], async () => {
    const acl = [...random.pick([['*'], ['group:eng'], ['user:ann'], ['group:hr', 'user:bob']])];
    const inReach = asker.collections ?? ['default', 'news'];
    const version = newVersion(world, random, target, acl, random.pick(inReach));
    const isFree = target.reigns.length === 0 || world.readsNow(asker, target);
    const expected = asker.role === 'none' ? 401 : mayWrite(asker) && isFree ? 202 : 403;
    let exchanged: Exchange | undefined;
    await write(target, version, asker, async () => {
      exchanged = await send(play, asker, 'PUT', pathOf(target), JSON.stringify(version), json);
      return exchanged.reply.status;
    });
    return exchanged && { ...exchanged, expected };
  });
  return done ?? send(play, asker, 'GET', pathOf(document));
}

/** Several at once that the asker may not write. */
async function batch(play: Play, asker: Asker): Promise<Exchange> {
  const { random, world } = play;
  const others = world.documents.filter(
    (each) => each.tenant === asker.tenant && each.reigns.length > 0 && !world.readsNow(asker, each),
  );
  const some = [...new Set([0, 1, 2].map(() => random.pick(others.length > 0 ? others : world.documents)))];
  const done = await holding(some, async () => {
    const lines = some.map(({ id }) => JSON.stringify(others.length > 0 ? { id, text: 'mine' } : { id }));
    const type = { 'content-type': 'application/x-ndjson' };
    const exchanged = await send(play, asker, 'POST', '/v1/documents:batch', lines.join('\n'), type);
    if (others.length === 0 || exchanged.reply.status !== 200) return exchanged;
    const statuses = exchanged.reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).status);
    return { ...exchanged, reply: { ...exchanged.reply, status: Math.min(...statuses) }, expected: 403 };
  });
  return done ?? send(play, asker, 'GET', '/v1/collections');
}

async function remove(play: Play, asker: Asker, document: Document): Promise<Exchange> {
  const isOthers = document.tenant === asker.tenant && !play.world.readsNow(asker, document);
  // Of those it may delete, most are kept: the world should not run empty. An id may be the asker's own, too.
  const isSpared = !isOthers && (document.tenant !== asker.tenant || play.random.below(4) > 0);
  const done = isSpared
    ? undefined
    : await holding([document], async () => {
        const exchanged = await send(play, asker, 'DELETE', pathOf(document));
        return isOthers && mayWrite(asker) ? { ...exchanged, expected: 404 } : exchanged;
      });
  return done ?? send(play, asker, 'GET', pathOf(document));
}

/** Another tenant's key. */
async function revoke(play: Play, asker: Asker): Promise<Exchange> {
  const { id } = play.random.pick(play.keys.filter(({ tenant }) => tenant !== asker.tenant));
  const done = await send(
    play,
    asker,
    'DELETE',
    `/v1/admin/keys/${id}${play.random.pick(['', '?tenant=acme'])}`,
  );
  return { ...done, expected: done.reply.status === 200 ? 404 : undefined };
}

/** What only the Broker may say. */
async function inject(play: Play, asker: Asker, name: string, data: object): Promise<Exchange> {
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-source': '/knarr/generate',
    'ce-type': `dev.knarr.${name}.v1`,
    'ce-tenant': play.random.pick(['acme', 'globex', 'initech']),
    'ce-subject': 'x',
  };
  const done = await send(play, asker, 'POST', '/', JSON.stringify(data), { ...json, ...attributes });
  return { ...done, expected: 422 };
}
