import { randomUUID } from 'node:crypto';
import { administer, inject, listLetters, operate, rebuild, replay, revoke } from './admin.ts';
import { type Exchange, json, type Play, pathOf, post, send } from './exchange.ts';
import { type Asker, question } from './world.ts';
import { batch, create, overwrite, remove, submit } from './writes.ts';

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
    [12, () => post(play, asker, '/v1/search', { query: aQuestion(), neighbours: below(3), ...searching() })],
    // Questions cost the most.
    [3, () => post(play, asker, pick(['/v1/rag', '/rag', '/']), { question: aQuestion(), ...searching() })],
    [1, () => post(play, asker, '/v1/rag', { question: aQuestion(), stream: true, ...searching() })],
    [2, () => askLater(play, asker, searching())],
    [4, () => lookUp(play, asker)],
    [1, () => post(play, asker, '/v1/embeddings', { input: aQuestion() })],
    [1, () => get('/v1/models')],
    [3, () => listLetters(play, asker)],
    [4, () => get(`/v1/dead-letters/${pick([...play.deadLetters, ...play.heard])}`)],
    [2, () => replay(play, asker)],
    [1, () => rebuild(play, asker)],
    [2, () => operate(play, asker)],
    [6, () => administer(play, asker)],
    [1, () => revoke(play, asker)],
    [5, () => overwrite(play, asker, anywhere())],
    [2, () => batch(play, asker)],
    [2, () => create(play, asker)],
    [2, () => submit(play, asker)],
    [4, () => remove(play, asker, anywhere())],
    [
      1,
      () =>
        inject(play, asker, 'document.submitted', { document: anywhere().id, text: 'injected', acl: ['*'] }),
    ],
    [1, () => inject(play, asker, 'query.answered', { query: pick(play.asked)?.id ?? 'x', passages: [] })],
    [
      1,
      () =>
        get(
          pick([
            '/metrics',
            '/info',
            '/openapi.json',
            '/asyncapi.json',
            '/docs',
            '/',
            '/health/readiness',
            '/v1/nothing',
          ]),
        ),
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

/** An answer, which is its asker's alone. */
async function lookUp(play: Play, asker: Asker): Promise<Exchange> {
  const { pick, below } = play.random;
  const own = play.asked.filter((asked) => asked.asker === asker);
  const from = own.length > 0 && below(2) === 0 ? own : play.asked;
  const asked = from.length > 0 ? pick(from) : undefined;
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
