import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type CloudEvent,
  type EventData,
  type EventName,
  emit,
  toCloudEvent,
} from '../functions/_shared/events.ts';
import { readEvent, writeBinary, writeStructured } from '../functions/_shared/runtime/cloudevents.ts';
import type { StageName } from '../functions/_shared/stage.ts';
import { openLedger } from '../functions/_shared/stores/open.ts';
import { buildAlone, type FunctionProcess, startOwn, startStock } from './support/functions.ts';
import { testPipeline } from './support/pipeline.ts';

/** Each stage's built folder, alone, as a process of its own: once by itself and once under stock faas-js-runtime. */

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}
type Send = (url: string) => Promise<Answer>;
/** What is asked, the status of its answer, and how it is asked; in this order. */
type Cases = [name: string, status: number, send: Send][];

const TENANT = 'default';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const QUESTION = 'What did the knarr carry across the North Atlantic?';
const ship = { document: 'ship', version: 1, collection: 'default' };
const long = { document: 'long', version: 1, collection: 'default' };

let folder: string;
/** Of a caller: stock faas-js-runtime listens at every address, which the gateway does with authentication alone. */
let token: string;
const processes: FunctionProcess[] = [];
/** Where stages that others ask answer, as they are configured. */
const urls: Record<string, string> = {};
const published: CloudEvent[] = [];
const broker = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  published.push(readEvent(new Headers(request.headers as Record<string, string>), Buffer.concat(parts)));
  response.writeHead(202).end();
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-functions-'));
  broker.listen(0, '127.0.0.1');
  await once(broker, 'listening');
  // Real state: what the whole pipeline leaves behind.
  const knarr = await testPipeline({ KNARR_DATA_DIR: join(folder, 'seed') });
  try {
    const text =
      'The knarr was a Norse merchant ship. It carried cargo across the North Atlantic to Iceland and Greenland.';
    await knarr.api('PUT', '/v1/documents/ship', { text, title: 'Ships', metadata: { kind: 'ship' } });
    await knarr.api('PUT', '/v1/documents/long', { text: await longText() });
    await knarr.api('PUT', '/v1/documents/broken', undefined, {
      body: '%PDF-1.7\nthis is no PDF',
      headers: { 'content-type': 'application/pdf' },
    });
    for (const id of ['ship', 'long']) expect((await knarr.ended(id)).state).toBe('indexed');
    expect((await knarr.ended('broken')).state).toBe('dead_lettered');
    await knarr.idle();
  } finally {
    await knarr.close();
  }
  const { documents, access } = await openLedger({ dataDir: join(folder, 'seed') });
  const caller = {
    tenant: TENANT,
    name: 'caller',
    role: 'reader' as const,
    collections: null,
    principals: [],
  };
  token = (await access.createKey({ ...caller, expiresAt: null }, { actor: 'test' })).key;
  await documents.close();
}, 180_000);

afterAll(async () => {
  for (const process of processes) await process.stop();
  broker.close();
  await rm(folder, { recursive: true, force: true });
});

/** Chunks of it are more than one event holds. */
async function longText(): Promise<string> {
  const corpus = await readFile(new URL('data/cranfield/corpus.jsonl', import.meta.url), 'utf8');
  const texts = corpus.split('\n', 70).map((line) => (JSON.parse(line) as { text: string }).text);
  return texts.join('\n\n');
}

const headers = { traceparent: TRACEPARENT };
const request =
  (path: string, init: RequestInit): Send =>
  async (url) => {
    const sent = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    const response = await fetch(url + path, { redirect: 'manual', ...init, headers: sent });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const body = isJson && text !== '' ? JSON.parse(text) : text;
    return { status: response.status, headers: Object.fromEntries(response.headers), body };
  };
const json = (input: unknown, more: Record<string, string> = {}): Send =>
  request('/', {
    method: 'POST',
    body: JSON.stringify(input),
    headers: { ...headers, 'content-type': 'application/json', ...more },
  });

const said = <N extends EventName>(from: string, name: N, subject: string, data: EventData<N>) =>
  toCloudEvent(from, emit(name, subject, data), {
    tenant: TENANT,
    traceparent: TRACEPARENT,
    deadline: '2100-01-01T00:00:00Z',
    correlationid: 'c-1',
  });
const event = (of: CloudEvent, write = writeBinary): Send => {
  const { headers: written, body } = write(of);
  return request('/', { method: 'POST', body, headers: { ...headers, ...written } });
};
const bothModes = (name: string, status: number, of: CloudEvent): Cases => [
  [`${name}, binary`, status, event(of)],
  [`${name}, structured`, status, event(of, writeStructured)],
];

const ask = {
  query: 'q-1',
  question: QUESTION,
  collection: 'default',
  mode: 'hybrid' as const,
  limit: 3,
  neighbours: 0,
  principals: ['*'],
  degraded: [],
  timings: {},
};

const LATE = '2020-01-01T00:00:00Z';
const post = (type: string, body: string) =>
  request('/', { method: 'POST', body, headers: { ...headers, 'content-type': type } });

/** What every stage answers, whatever its work is. */
const always = (stage: StageName): Cases => [
  ['liveness', 200, request('/health/liveness', {})],
  ['readiness', 200, request('/health/readiness', {})],
  ['input of another shape', 400, json({ action: 7, collection: 7, hits: 7, query: 7, text: 7, texts: 7 })],
  ['an input that is no object', 400, json([])],
  // The gateway takes nothing of the kind from outside.
  ['a deadline that has passed', stage === 'gateway' ? 400 : 504, json({}, { 'knarr-deadline': LATE })],
  ['a deadline that is none', 400, json({}, { 'knarr-deadline': 'soon' })],
  ['text', 415, post('text/plain', 'hi')],
  ['a form', 415, post('application/x-www-form-urlencoded', 'a=b')],
  ['JSON by another name', 400, post('application/vnd.api+json', '[]')],
  ...bothModes('an event of no interest', 422, {
    ...said('x', 'document.accepted', 'x', ship),
    type: 'other',
  }),
  ...bothModes('an event that comes too late', 422, {
    ...said('x', 'document.accepted', 'x', ship),
    deadline: LATE,
  }),
];

/** What stages answered, for the stages after them. */
const answers = new Map<string, unknown>();
function answerTo<T>(name: string): T {
  if (!answers.has(name)) throw new Error(`There was no answer to "${name}".`);
  return answers.get(name) as T;
}

/** The work of each stage; later ones are asked with what earlier ones have answered. */
const WORK: Record<StageName, () => Cases> = {
  ingest: () => [
    ['preview', 200, json({ text: '# Ships\n\nA knarr is broad.', content_type: 'text/markdown' })],
    [
      'preview of bytes',
      200,
      json({ data: Buffer.from('<h1>Ships</h1><p>Broad.').toString('base64'), content_type: 'text/html' }),
    ],
    ['neither text nor data', 400, json({ title: 'x' })],
    ...bothModes('accepted', 200, said('gateway', 'document.accepted', 'ship', { ...ship, afresh: true })),
    ...bothModes('long one', 202, said('gateway', 'document.accepted', 'long', { ...long, afresh: true })),
    ...bothModes('unknown', 422, said('gateway', 'document.accepted', 'ship', { ...ship, version: 9 })),
  ],
  embed: () => [
    ['question', 200, json({ texts: [QUESTION], kind: 'query' })],
    ['passages', 200, json({ texts: ['A knarr is broad.', 'é 漢 \u{1F600}'] })],
    ['no texts', 400, json({ texts: [] })],
    ...bothModes(
      'created',
      200,
      said('ingest', 'chunks.created', 'ship', answerTo('ingest: accepted, binary')),
    ),
    ...bothModes('asked', 200, said('gateway', 'query.asked', 'q-1', ask)),
    ...bothModes('asked by words', 200, said('gateway', 'query.asked', 'q-1', { ...ask, mode: 'lexical' })),
  ],
  index: () => {
    const embedded = answerTo<EventData<'chunks.embedded'>>('embed: created, binary');
    return [
      ['description', 200, json({ collection: 'default' })],
      ['unknown collection', 404, json({ collection: 'nowhere' })],
      ...bothModes('embedded', 200, said('embed', 'chunks.embedded', 'ship', embedded)),
      ...bothModes('other model', 422, said('embed', 'chunks.embedded', 'ship', { ...embedded, model: 'x' })),
      ...bothModes(
        'deleted',
        204,
        said('gateway', 'document.deleted', 'nobody', { ...ship, document: 'nobody' }),
      ),
    ];
  },
  search: () => {
    const { vectors, model } = answerTo<{ vectors: string[]; model: string }>('embed: question');
    return [
      ['hybrid', 200, json({ query: QUESTION, vector: vectors[0], model, limit: 5 })],
      ['by words', 200, json({ query: 'merchant ship', mode: 'lexical', filter: { eq: { kind: 'ship' } } })],
      ['dense without a vector', 400, json({ query: 'x', mode: 'dense' })],
      ['unknown collection', 404, json({ query: 'x', collection: 'nowhere' })],
      ...bothModes('embedded', 200, said('embed', 'query.embedded', 'q-1', answerTo('embed: asked, binary'))),
    ];
  },
  fetch: () => [
    ['passages', 200, json({ ...answerTo<object>('search: hybrid'), neighbours: 1 })],
    ['none', 200, json({ hits: [] })],
    ...bothModes(
      'matched',
      200,
      said('search', 'query.matched', 'q-1', answerTo('search: embedded, binary')),
    ),
  ],
  generate: () => [
    ['answer', 200, json({ ...answerTo<object>('fetch: passages'), question: QUESTION })],
    ['no passages', 200, json({ question: QUESTION, passages: [] })],
    ...bothModes('grounded', 200, said('fetch', 'query.grounded', 'q-1', answerTo('fetch: matched, binary'))),
  ],
  recover: () => {
    const lost = said('gateway', 'document.accepted', 'broken', { ...ship, document: 'broken' });
    const letter = { ...lost, knativeerrordest: 'http://ingest', knativeerrorcode: '503' };
    return [
      ['list', 200, json({ action: 'list' })],
      ['reconcile', 200, json({ action: 'reconcile', repair: false })],
      ...bothModes('dead letter', 202, letter),
      ...bothModes('timer', 204, said('x', 'timer.fired', 'x', { task: 'sweep' })),
    ];
  },
  gateway: () => [
    ['question', 200, json({ question: QUESTION, limit: 3 })],
    ['blank question', 400, json({ question: ' ' })],
    ...bothModes(
      'submitted',
      204,
      said('x', 'document.submitted', 'new', { document: 'new', text: 'A new one.' }),
    ),
    ...bothModes('submitted empty', 422, said('x', 'document.submitted', 'new', { document: 'new' })),
    ...bothModes(
      'answered',
      204,
      said('generate', 'query.answered', 'q-1', answerTo('generate: grounded, binary')),
    ),
  ],
};

/** The gateway asks these while it is at work. */
const ASKED: readonly StageName[] = ['embed', 'search', 'fetch', 'generate'];
const ORDER: readonly StageName[] = [
  'ingest',
  'embed',
  'index',
  'search',
  'fetch',
  'generate',
  'recover',
  'gateway',
];

/** Every process that keeps something gets a copy of the same state. */
async function environment(stage: StageName, name: string): Promise<Record<string, string>> {
  const data = join(folder, `${stage}-${name}`);
  if (stage !== 'embed' && stage !== 'generate') await cp(join(folder, 'seed'), data, { recursive: true });
  const { port } = broker.address() as AddressInfo;
  const auth: Record<string, string> =
    stage === 'gateway' ? { KNARR_AUTH: 'keys', KNARR_EVENTS_AUTH: 'trust' } : {};
  return { KNARR_DATA_DIR: data, K_SINK: `http://127.0.0.1:${port}/`, ...auth, ...urls };
}

/** Fewest events that go to the Broker: the batches of the long document, twice; what
 * became of dead letters; the document that was submitted. */
const FEWEST_SAID: Partial<Record<StageName, number>> = { ingest: 4, recover: 2, gateway: 1 };

interface Interview {
  outcomes: Map<string, Answer>;
  /** What went to the Broker meanwhile, in any order. */
  said: CloudEvent[];
}

async function interview(stage: StageName, process: FunctionProcess, cases: Cases): Promise<Interview> {
  const outcomes = new Map<string, Answer>();
  for (const [name, , send] of cases) outcomes.set(name, await send(process.url));
  await expect.poll(() => published.length).toBeGreaterThanOrEqual(FEWEST_SAID[stage] ?? 0);
  if (!ASKED.includes(stage)) await process.stop();
  return { outcomes, said: published.splice(0).toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
}

const COMPARED = /^(content-type|retry-after|allow|server-timing|ce-.*)$/;

/** An answer without what differs from one run to the next: instants, measured times, span ids. */
function comparable({ status, headers, body }: Answer) {
  const kept = Object.entries(headers)
    .filter(([name]) => COMPARED.test(name) && !(body === '' && name === 'content-type'))
    .map(([name, value]) => [name, masked(name.replace(/^ce-/, ''), value)]);
  return { status, headers: Object.fromEntries(kept), body: deepMasked(body) };
}

const deepMasked = (value: unknown) => JSON.parse(JSON.stringify(value), masked);

function masked(name: string, value: unknown): unknown {
  if (name === 'time' || name === 'received_at') return '(instant)';
  // The stock runtime adds a parameter that JSON does not have (RFC 8259 §11).
  if (name === 'content-type') return String(value).replace(/(json); charset=utf-8$/, '$1');
  if (name === 'server-timing') return String(value).replaceAll(/[\d.]+$/g, '(ms)');
  if (name === 'timings') return Object.keys(value as object).toSorted();
  if (name === 'traceparent') return String(value).replace(/-[0-9a-f]{16}-/, '-(span)-');
  return value;
}

test.each(ORDER)(
  '%s answers the same under both runtimes',
  async (stage) => {
    const home = join(folder, stage);
    await buildAlone(stage, home);
    const cases = [...WORK[stage](), ...always(stage)];

    const own = await startOwn(home, await environment(stage, 'own'));
    processes.push(own);
    const ours = await interview(stage, own, cases);
    for (const [name, { body }] of ours.outcomes) answers.set(`${stage}: ${name}`, body);

    const stock = await startStock(home, await environment(stage, 'stock'));
    processes.push(stock);
    const theirs = await interview(stage, stock, cases);

    for (const [name, status] of cases) {
      const [answer, other] = [ours.outcomes.get(name) as Answer, theirs.outcomes.get(name) as Answer];
      expect.soft(comparable(other), name).toEqual(comparable(answer));
      expect.soft(answer.status, `${name}: ${JSON.stringify(answer.body)}`).toBe(status);
      const isEvent = status === 200 && /, (binary|structured)$/.test(name);
      expect.soft('ce-type' in answer.headers, name).toBe(isEvent);
    }
    expect(deepMasked(theirs.said)).toEqual(deepMasked(ours.said));
    if (ASKED.includes(stage)) urls[`KNARR_${stage.toUpperCase()}_URL`] = own.url;
  },
  180_000,
);
