import {
  type CloudEvent,
  type EventData,
  type EventName,
  emit,
  toCloudEvent,
} from '../../functions/_shared/events.ts';
import { writeBinary, writeStructured } from '../../functions/_shared/runtime/cloudevents.ts';
import type { StageName } from '../../functions/_shared/stage.ts';
import { proveCall, signEvent } from '../../functions/_shared/stage-key.ts';

/** Requests that show what a stage does, for a store that holds the documents `ship`, `long` and `broken`. */

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}
type Send = (url: string, token: string) => Promise<Answer>;
/** What is asked, the status of its answer, and how it is asked; in this order. */
export type Cases = [name: string, status: number, send: Send][];

export const TENANT = 'default';
/** The stages' own. */
export const STAGE_KEY = 'the key of the stages that are asked here';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const QUESTION = 'What did the knarr carry across the North Atlantic?';
const ship = { document: 'ship', version: 1, collection: 'default' };
/** They are indexed already. */
const anew = { afresh: true, again: true };
const long = { document: 'long', version: 1, collection: 'default' };

const headers = { traceparent: TRACEPARENT };
const request =
  (path: string, init: RequestInit): Send =>
  async (url, token) => {
    const sent = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    const response = await fetch(url + path, { redirect: 'manual', ...init, headers: sent });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const body = isJson && text !== '' ? JSON.parse(text) : text;
    return { status: response.status, headers: Object.fromEntries(response.headers), body };
  };
const asked = (input: unknown, more: Record<string, string> = {}): Send =>
  request('/', {
    method: 'POST',
    body: JSON.stringify(input),
    headers: { ...headers, 'content-type': 'application/json', ...more },
  });
/** What a stage asks. */
const json = (input: unknown, deadline?: string): Send => {
  return asked(input, { ...proof(deadline), ...(deadline && { 'knarr-deadline': deadline }) });
};
const proof = (deadline: string | null = null): Record<string, string> => ({
  'knarr-proof': proveCall([STAGE_KEY], [null, null, deadline]) as string,
});

const said = <N extends EventName>(from: string, name: N, subject: string, data: EventData<N>) =>
  toCloudEvent(from, emit(name, subject, data), {
    tenant: TENANT,
    traceparent: TRACEPARENT,
    deadline: '2100-01-01T00:00:00Z',
    correlationid: 'c-1',
  });
const event = (of: CloudEvent, write = writeBinary): Send => {
  const { headers: written, body } = write(signEvent([STAGE_KEY], of));
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
  request('/', { method: 'POST', body, headers: { ...headers, ...proof(), 'content-type': type } });

const forged = said('x', 'document.accepted', 'x', ship);
/** What every stage answers, whatever its work is. */
const always = (stage: StageName): Cases => [
  // The gateway's callers show a token.
  ['a stranger', stage === 'gateway' ? 400 : 401, asked({}, { 'knarr-tenant': TENANT })],
  ['a forged event', 422, request('/', { method: 'POST', ...writeBinary(forged) })],
  ['liveness', 200, request('/health/liveness', {})],
  ['readiness', 200, request('/health/readiness', {})],
  ['input of another shape', 400, json({ action: 7, collection: 7, hits: 7, query: 7, text: 7, texts: 7 })],
  ['an input that is no object', 400, json([])],
  // The gateway takes nothing of the kind from outside.
  ['a deadline that has passed', stage === 'gateway' ? 400 : 504, json({}, LATE)],
  ['a deadline that is none', 400, json({}, 'soon')],
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

/** What a stage answered to one of its cases, for the stages after it. */
type Earlier = <T>(name: string) => T;

/** Everything that a stage is asked, in order; later stages are asked with what earlier ones have answered. */
export const casesOf = (stage: StageName, answerTo: Earlier): Cases => [
  ...WORK[stage](answerTo),
  ...always(stage),
];

const WORK: Record<StageName, (answerTo: Earlier) => Cases> = {
  ingest: () => [
    ['preview', 200, json({ text: '# Ships\n\nA knarr is broad.', content_type: 'text/markdown' })],
    [
      'preview of bytes',
      200,
      json({ data: Buffer.from('<h1>Ships</h1><p>Broad.').toString('base64'), content_type: 'text/html' }),
    ],
    ['neither text nor data', 400, json({ title: 'x' })],
    ...bothModes('accepted', 200, said('gateway', 'document.accepted', 'ship', { ...ship, ...anew })),
    ...bothModes('long one', 202, said('gateway', 'document.accepted', 'long', { ...long, ...anew })),
    ...bothModes('unknown', 422, said('gateway', 'document.accepted', 'ship', { ...ship, version: 9 })),
  ],
  embed: (answerTo) => [
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
  index: (answerTo) => {
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
  search: (answerTo) => {
    const { vectors, model } = answerTo<{ vectors: string[]; model: string }>('embed: question');
    return [
      ['hybrid', 200, json({ query: QUESTION, vector: vectors[0], model, limit: 5 })],
      ['by words', 200, json({ query: 'merchant ship', mode: 'lexical', filter: { eq: { kind: 'ship' } } })],
      ['dense without a vector', 400, json({ query: 'x', mode: 'dense' })],
      ['unknown collection', 404, json({ query: 'x', collection: 'nowhere' })],
      ...bothModes('embedded', 200, said('embed', 'query.embedded', 'q-1', answerTo('embed: asked, binary'))),
    ];
  },
  fetch: (answerTo) => [
    ['passages', 200, json({ ...answerTo<object>('search: hybrid'), neighbours: 1 })],
    ['none', 200, json({ hits: [] })],
    ...bothModes(
      'matched',
      200,
      said('search', 'query.matched', 'q-1', answerTo('search: embedded, binary')),
    ),
  ],
  generate: (answerTo) => [
    ['answer', 200, json({ ...answerTo<object>('fetch: passages'), question: QUESTION })],
    ['no passages', 200, json({ question: QUESTION, passages: [] })],
    ...bothModes('grounded', 200, said('fetch', 'query.grounded', 'q-1', answerTo('fetch: matched, binary'))),
  ],
  recover: () => {
    const lost = said('gateway', 'document.accepted', 'broken', { ...ship, document: 'broken' });
    const letter = { ...lost, knativeerrordest: 'http://ingest', knativeerrorcode: '422' };
    return [
      ['list', 200, json({ action: 'list' })],
      ['reconcile', 200, json({ action: 'reconcile', repair: false })],
      ...bothModes('dead letter', 202, letter),
      ...bothModes('timer', 204, said('x', 'timer.fired', 'x', { task: 'sweep' })),
    ];
  },
  gateway: (answerTo) => [
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
