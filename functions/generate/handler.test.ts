import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { readConfig } from '../_shared/config.ts';
import type { GenerateInput, GenerateOutput, Passage } from '../_shared/contracts.ts';
import { type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { encodeVector } from '../_shared/vectors.ts';
import { generateKnobs, openGenerator, stage } from './index.ts';
import { type Generator, NO_ANSWER } from './port.ts';
import { callOf, passageOf } from './samples.ts';

const run = (generator: Generator): RunningStage<GenerateInput, GenerateOutput> =>
  runStage(stage, { generator }, { log: createLogger('silent'), checkOutput: true });
const open = (env: Record<string, string>) => openGenerator(readConfig(generateKnobs, env));

const byWords = await open({});
const running = run(byWords);
afterAll(() => byWords.close());

const ROLLO = passageOf('Rollo led the Norse settlers. He swore fealty to King Charles III in 911.', {
  document: 'normans',
});
const TURING = passageOf('A Turing machine is a model of a general computing machine.', {
  document: 'turing',
});

const post = (body: unknown) =>
  running.fetch(
    new Request('http://generate/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );

test('answers JSON with JSON', async () => {
  const response = await post({
    question: 'Who swore fealty to King Charles III?',
    passages: [TURING, ROLLO],
  });
  expect(response.status).toBe(200);
  const answer = ROLLO.text;
  expect(await response.json()).toEqual({
    answer,
    answered: true,
    citations: [{ source: 1, start: 0, end: answer.length }],
    model: 'extractive',
    // The embed stage is not configured here.
    degraded: ['generate.meaning'],
  });
});

test.each([
  { passages: [] },
  { question: '', passages: [] },
  { question: 'Who?', passages: Array(101).fill(ROLLO) },
  { question: 'Who?', passages: [{ text: 'no passage' }] },
])('refuses what breaks the contract (case %#)', async (body) => {
  const response = await post(body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request' });
});

async function answerTo(
  asked: Partial<EventData<'query.grounded'>>,
  by: RunningStage<GenerateInput, GenerateOutput> = running,
): Promise<EventData<'query.answered'>> {
  const grounded: EventData<'query.grounded'> = {
    query: 'q1',
    question: 'Who swore fealty to King Charles III?',
    collection: 'default',
    mode: 'hybrid',
    limit: 5,
    neighbours: 0,
    principals: ['*'],
    degraded: [],
    timings: { embed: 1, search: 2, fetch: 3 },
    passages: [TURING, ROLLO],
    ...asked,
  };
  const event = toCloudEvent('fetch', emit('query.grounded', 'q1', grounded), { tenant: 'acme' });
  const [answered, ...more] = await by.receive(event, AbortSignal.timeout(10_000));
  expect(more).toEqual([]);
  expect(answered).toMatchObject({ type: 'dev.knarr.query.answered.v1', subject: 'q1', tenant: 'acme' });
  expect(Buffer.byteLength(JSON.stringify(answered))).toBeLessThan(MAX_EVENT_BYTES);
  return answered?.data as EventData<'query.answered'>;
}

test('a grounded question becomes an answered one that keeps what the stages before said', async () => {
  const answered = await answerTo({ degraded: ['embed'] });
  expect(answered).toMatchObject({
    query: 'q1',
    question: 'Who swore fealty to King Charles III?',
    passages: [TURING, ROLLO],
    result: { answered: true, answer: ROLLO.text, citations: [{ source: 1 }] },
    degraded: ['embed', 'generate.meaning'],
  });
  expect(Object.keys(answered.timings)).toEqual(['embed', 'search', 'fetch', 'generate']);
});

test('without passages the answer says that there is none', async () => {
  const { result } = await answerTo({ passages: [] });
  expect(result).toEqual({
    answer: NO_ANSWER,
    answered: false,
    citations: [],
    model: 'extractive',
    degraded: [],
  });
});

test('a long answer costs the event passages that are not cited, and citations keep naming theirs', async () => {
  const long = (name: string): Passage => passageOf(`${name} ${'ä'.repeat(5_500)}`, { document: name });
  const passages = ['a', 'b', 'c', 'd'].map(long);
  const answer = `${'Yes. '.repeat(4_000)}`;
  const citations = [0, 2].map((source) => ({ source, start: 0, end: 4 }));
  const wordy = run({
    generate: async () => ({ answer, answered: true, citations, model: 'm', degraded: [] }),
    ready: async () => {},
    close: async () => {},
  });
  const answered = await answerTo({ passages }, wordy);
  expect(answered.passages.map(({ document }) => document)).toEqual(['a', 'c']);
  expect(answered.result.citations.map(({ source }) => source)).toEqual([0, 1]);
  expect(answered.result.answer).toBe(answer);
  expect(answered.degraded).toEqual(['generate.passages']);
});

test('as a process of its own it asks the embed stage by HTTP for meaning', async () => {
  const asked: { texts: string[]; kind: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { texts, kind } = JSON.parse(body);
    asked.push({ texts, kind });
    const vectors = texts.map(() => encodeVector(Float32Array.of(1, 0)));
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ model: 'm', dimensions: 2, vectors, tokens: texts.map(() => 1), truncated: [] }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const generator = await open({
    KNARR_EMBED_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  try {
    const input = { question: 'Who swore fealty to King Charles III?', passages: [ROLLO] };
    expect(await generator.generate(input, callOf())).toMatchObject({ answered: true, degraded: [] });
    expect(asked).toContainEqual({ texts: [input.question], kind: 'query' });
    expect(asked).toContainEqual({ texts: [expect.stringContaining('fealty')], kind: 'passage' });
  } finally {
    await generator.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test.each([
  [{ KNARR_GENERATE_BACKEND: 'openai' }, 'OPENAI_BASE_URL'],
  [{ KNARR_GENERATE_BACKEND: 'openai', OPENAI_BASE_URL: 'http://localhost/v1' }, 'KNARR_GENERATE_MODEL'],
  [{ KNARR_GENERATE_BACKEND: 'onnx' }, 'KNARR_GENERATE_MODEL_DIR'],
])('%o says what is missing', async (env, name) => {
  await expect(open(env as Record<string, string>)).rejects.toThrow(name);
});

test('a local model answers through the same contract', async () => {
  const generator = await open({
    KNARR_GENERATE_BACKEND: 'onnx',
    KNARR_GENERATE_MODEL_DIR: 'test/models/tiny-random-llama',
    KNARR_GENERATE_MAX_TOKENS: '24',
    KNARR_GENERATE_THREADS: '1',
  });
  try {
    const pieces: string[] = [];
    const output = await run(generator).call(
      { question: 'Who?', passages: [passageOf('Rollo.'), passageOf('x'.repeat(2_000))] },
      { ...callOf(), onProgress: ({ text }) => pieces.push(text) },
    );
    expect(output).toMatchObject({ answered: true, model: 'tiny-random-llama', citations: [] });
    // It is trained on nothing: its text cites nothing, and goes on until it is cut. The second source did not fit.
    expect(output.degraded).toEqual(['generate.sources:1-1', 'generate.max_tokens', 'generate.uncited']);
    expect(pieces.join('')).toBe(output.answer);
    expect(pieces.length).toBeGreaterThan(1);
  } finally {
    await generator.close();
  }
});
