import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Passage } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { EVENTS, type EventData, emit, toCloudEvent } from '../../_shared/events.ts';
import { openTestGateway, serverEvents, type TestGateway } from '../testing.ts';

const passage: Passage = {
  document: 'ships',
  version: 1,
  title: 'Ships',
  uri: null,
  chunk: 0,
  range: [0, 26],
  headings: [],
  metadata: {},
  text: 'A knarr is a Norse ship.',
  score: 0.9,
};
const cited = {
  answered: true,
  citations: [{ source: 0, start: 0, end: 24 }],
  model: 'extractive',
  degraded: [],
};

let gateway: TestGateway;
/** Questions that the generate stage holds back until these are called. */
const held: (() => void)[] = [];
beforeAll(async () => {
  gateway = await openTestGateway(
    { KNARR_MAX_QUESTIONS: '2', KNARR_MAX_STREAMS: '1' },
    {
      embed: async ({ texts }) => ({
        model: 'all-MiniLM-L6-v2',
        dimensions: 2,
        vectors: texts.map(() => Buffer.from(Float32Array.of(0.5, -1).buffer).toString('base64')),
        tokens: texts.map((text) => text.length),
        truncated: texts.flatMap((text, index) => (text.length > 100 ? [index] : [])),
      }),
      search: async ({ mode, collection }) => {
        if (collection === 'nowhere')
          throw new KnarrError('unknown_collection', 'There is no collection nowhere.');
        return { hits: [{ document: 'ships', version: 1, chunk: 0, score: 0.9 }], mode, degraded: [] };
      },
      fetch: async () => ({ passages: [passage], dropped: 0 }),
      generate: async ({ question }, { onProgress, signal }) => {
        if (question === 'wait') {
          await new Promise<void>((resolve, reject) => {
            held.push(resolve);
            signal.addEventListener('abort', () => reject(signal.reason));
          });
        }
        for (const text of ['A knarr ', 'is a ', 'Norse ship.']) onProgress?.({ text });
        return { ...cited, answer: passage.text };
      },
    },
  );
});
afterAll(() => gateway.close());
const ask: TestGateway['ask'] = (...request) => gateway.ask(...request);

test.each(['/rag', '/v1/rag'])('%s answers with sources, citations and timings', async (path) => {
  const { status, headers, body } = await ask('POST', path, { question: 'What is a knarr?' });
  expect(status).toBe(200);
  expect(body).toEqual({
    ...cited,
    answer: passage.text,
    sources: [passage],
    timings: {
      embed: expect.any(Number),
      search: expect.any(Number),
      fetch: expect.any(Number),
      generate: expect.any(Number),
      total: expect.any(Number),
    },
  });
  expect(headers.get('server-timing')).toMatch(/^embed;dur=[\d.]+, search;.*, total;dur=[\d.]+$/);
});

test('POST / is the same question as a plain stage', async () => {
  const { status, body } = await ask('POST', '/', { question: 'What is a knarr?' });
  expect([status, body.answer]).toEqual([200, passage.text]);
});

test('search gives passages', async () => {
  const { body } = await ask('POST', '/v1/search', {
    query: 'knarr',
    mode: 'lexical',
    filter: { eq: { lang: 'en' } },
  });
  expect(body).toMatchObject({ passages: [passage], mode: 'lexical', degraded: [] });
});

test('streams sources, then text, then the whole answer', async () => {
  for (const init of [{}, { headers: { accept: 'text/event-stream' } }]) {
    const streamed = await ask('POST', '/v1/rag', { question: 'What?', stream: !('headers' in init) }, init);
    expect(streamed.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = serverEvents(streamed.body);
    expect(events[0]).toEqual({ event: 'sources', data: { sources: [passage] } });
    const text = events
      .filter(({ event }) => event === 'token')
      .map(({ data }) => (data as { text: string }).text);
    expect(text.join('')).toBe(passage.text);
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      data: { answer: passage.text, timings: {}, degraded: [] },
    });
  }
  const refused = await ask('POST', '/v1/rag', { question: 'What?', collection: 'nowhere', stream: true });
  expect(refused).toMatchObject({ status: 404, body: { code: 'unknown_collection' } });
});

test('more questions than allowed are asked to come again', async () => {
  const waiting = ask('POST', '/v1/rag', { question: 'wait', stream: true });
  await expect.poll(() => held.length).toBe(1);
  const stream = await ask('POST', '/v1/rag', { question: 'What?', stream: true });
  expect(stream).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(stream.headers.get('retry-after')).toBe('1');
  const second = ask('POST', '/v1/rag', { question: 'wait' });
  await expect.poll(() => held.length).toBe(2);
  expect((await ask('POST', '/v1/search', { query: 'x' })).status).toBe(429);
  for (const release of held) release();
  expect((await second).status).toBe(200);
  expect(serverEvents((await waiting).body).at(-1)?.event).toBe('done');
  expect((await ask('POST', '/v1/rag', { question: 'What?', stream: true })).status).toBe(200);
  expect((await ask('POST', '/v1/search', { query: 'x' })).status).toBe(200);
});

test('a budget that is used up leaves the sources', async () => {
  const { status, body } = await ask('POST', '/v1/rag', { question: 'wait', budget_ms: 60 });
  expect(status).toBe(200);
  expect(body).toMatchObject({ answer: null, answered: false, sources: [passage], degraded: ['generate'] });
});

test.each([
  [{ question: '' }, 'question'],
  [{ question: '  ' }, 'question'],
  [{ question: 'x'.repeat(8193) }, 'question'],
  [{ question: 'x', budget_ms: 5 }, 'budget_ms'],
  [{ question: 'x', budget_ms: 1e9 }, 'budget_ms'],
  [{ question: 'x', limit: 101 }, 'limit'],
  [{ question: 'x', mode: 'magic' }, 'mode'],
  [{ question: 'x', collection: 'No Such' }, 'collection'],
  [{ question: 'x', filter: { eq: {} } }, 'filter.eq'],
])('refuses %j and names the field', async (body, path) => {
  const reply = await ask('POST', '/v1/rag', body);
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path }] } });
});

test('refuses what it does not know, and bodies that are no JSON', async () => {
  expect((await ask('POST', '/v1/rag', { question: 'x', top_k: 3 })).body.detail).toContain('top_k');
  const plain = { body: '{"question":"x"}', headers: { 'content-type': 'text/plain' } };
  expect((await ask('POST', '/v1/rag', undefined, plain)).status).toBe(415);
  expect((await ask('POST', '/v1/rag', { question: 'y'.repeat(300_000) })).status).toBe(413);
  expect((await ask('GET', '/v1/rag')).status).toBe(405);
});

test('an asynchronous question goes by events and is answered later', async () => {
  const later = { headers: { prefer: 'respond-async' } };
  expect(await ask('POST', '/v1/rag', { question: 'x' }, later)).toMatchObject({
    status: 404,
    body: { code: 'unknown_collection' },
  });
  await ask('PUT', '/v1/documents/ships', { text: passage.text });
  const ref = { tenant: 'default', document: 'ships', version: 1 };
  const [start, end] = passage.range;
  const chunk = { chunk: 0, text: passage.text, start, end, headings: [], tokens: 7 };
  await gateway.deps.documents.saveChunks(ref, { title: null, chunks: [chunk] });
  await gateway.deps.documents.recordIndexed(ref, [0]);
  await gateway.deps.documents.complete(ref);
  const accepted = await ask('POST', '/v1/rag', { question: 'What is a knarr?', neighbours: 1 }, later);
  expect(accepted).toMatchObject({ status: 202, body: { state: 'pending' } });
  expect(accepted.headers.get('preference-applied')).toBe('respond-async');
  const url = accepted.headers.get('location') ?? '';
  const { id } = accepted.body;
  expect(url).toBe(`/v1/queries/${id}`);
  expect((await ask('GET', url)).body).toMatchObject({ id, state: 'pending' });

  const asked = gateway.published.find(({ subject }) => subject === id);
  expect(asked).toMatchObject({
    type: 'dev.knarr.query.asked.v1',
    correlationid: id,
    deadline: expect.any(String),
  });
  const question = EVENTS['query.asked'].parse(asked?.data);
  expect(question).toMatchObject({ question: 'What is a knarr?', query: id, neighbours: 1 });

  const following = ask('GET', `${url}/events`);
  const data: EventData<'query.answered'> = {
    ...question,
    passages: [passage],
    result: { ...cited, answer: passage.text },
    timings: { embed: 1, search: 2.5 },
    degraded: [],
  };
  const answered = toCloudEvent('generate', emit('query.answered', id, data), { tenant: 'default' });
  await gateway.running.receive(answered, new AbortController().signal);
  const { body } = await ask('GET', url);
  expect(body).toMatchObject({
    state: 'answered',
    result: { ...cited, answer: passage.text, sources: [passage] },
  });
  expect(body.result.timings).toEqual({ embed: 1, search: 2.5, total: 3.5 });
  expect(serverEvents((await following).body).at(-1)).toEqual({ event: 'state', data: body });

  // What it was made of is gone, and so is the answer.
  await ask('DELETE', '/v1/documents/ships');
  expect((await ask('GET', url)).body.result).toMatchObject({
    answer: null,
    answered: false,
    citations: [],
    sources: [],
    degraded: ['sources.withdrawn'],
  });
});

test('an asynchronous question that nobody answers in time has failed', async () => {
  const later = { headers: { prefer: 'respond-async, wait=10' } };
  const { body } = await ask('POST', '/v1/rag', { question: 'x', budget_ms: 20 }, later);
  await expect
    .poll(async () => (await ask('GET', body.links.self)).body)
    .toMatchObject({ state: 'failed', error: { code: 'deadline_exceeded', status: 504 } });
  gateway.refusing(true);
  expect((await ask('POST', '/v1/rag', { question: 'x' }, later)).status).toBe(503);
  gateway.refusing(false);
  expect((await ask('GET', '/v1/queries/6d2e2ca4-5c1c-4f0e-8a52-1d9b3c4f5a60')).status).toBe(404);
  expect((await ask('GET', '/v1/queries/nonsense')).status).toBe(400);
});

test('embeds as OpenAI does', async () => {
  const one = await ask('POST', '/v1/embeddings', { input: 'ship', model: 'all-MiniLM-L6-v2' });
  expect(one.body).toEqual({
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.5, -1] }],
    model: 'all-MiniLM-L6-v2',
    usage: { prompt_tokens: 4, total_tokens: 4 },
  });
  const two = await ask('POST', '/v1/embeddings', { input: ['a', 'b'], encoding_format: 'base64' });
  const [, second] = two.body.data;
  expect(second).toEqual({ object: 'embedding', index: 1, embedding: 'AAAAPwAAgL8=' });
  const error = async (body: object) => {
    const reply = await ask('POST', '/v1/embeddings', body);
    return [reply.status, reply.body.error.param, reply.body.error.code];
  };
  expect(await error({ input: 'x', model: 'gpt' })).toEqual([404, 'model', 'model_not_found']);
  expect(await error({ input: 'x'.repeat(101) })).toEqual([400, 'input', 'context_length_exceeded']);
  expect(await error({ input: 'x', dimensions: 3 })).toEqual([400, 'dimensions', 'invalid_request']);
  expect(await error({ input: [1, 2] })).toEqual([400, 'input', 'invalid_request']);
  expect(await error({ input: [] })).toEqual([400, 'input', 'invalid_request']);
  expect((await ask('GET', '/v1/models')).body.data).toMatchObject([{ id: 'all-MiniLM-L6-v2' }]);
});
