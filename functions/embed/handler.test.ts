import { afterAll, beforeAll, expect, test } from 'vitest';
import { withContext } from '../_shared/chunk.ts';
import { readConfig } from '../_shared/config.ts';
import type { EmbedInput, EmbedOutput } from '../_shared/contracts.ts';
import { EVENTS, type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import { generationId, generationKnobs, readGeneration } from '../_shared/generation.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { publishes } from '../_shared/stage.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { decodeVector } from '../_shared/vectors.ts';
import { createOnnxEncoder } from './encoder/onnx.ts';
import type { Encoder } from './encoder/port.ts';
import { embedKnobs, openEncoder, stage } from './index.ts';

const { signal } = new AbortController();
const call = { tenant: 'acme', principals: ['*'], signal };
const GENERATION = generationId(readGeneration(readConfig(generationKnobs, {})));

let encoder: Encoder;
let running: RunningStage<EmbedInput, EmbedOutput>;
beforeAll(async () => {
  const config = readConfig(embedKnobs, { KNARR_EMBED_WORKERS: '1' });
  encoder = await openEncoder(config);
  running = runStage(stage, { encoder }, { log: createLogger('silent') });
});
afterAll(() => encoder?.close());

const similarity = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
const say = (...event: Parameters<typeof emit<'chunks.created' | 'query.asked'>>) =>
  running.receive(toCloudEvent('test', emit(...event), { tenant: 'acme' }), signal);

test('texts become vectors, near for near meanings', async () => {
  const texts = ['Boats with oars', 'Rowing vessels', 'Tax law'];
  const output = await running.call({ texts, kind: 'passage' }, call);
  expect(output).toMatchObject({ model: 'all-MiniLM-L6-v2', dimensions: 384, truncated: [] });
  // [CLS] boats with o ##ars [SEP]
  expect(output.tokens).toEqual([6, 4, 4]);
  const [boats, rowing, tax] = output.vectors.map((vector) => decodeVector(vector, 384)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  expect(similarity(boats, rowing)).toBeGreaterThan(similarity(boats, tax) + 0.2);
});

test('what the model cannot read is told', async () => {
  const output = await running.call({ texts: ['fits', 'word '.repeat(500)], kind: 'passage' }, call);
  expect(output).toMatchObject({ tokens: [3, 502], truncated: [1] });
});

const created = (count: number): EventData<'chunks.created'> => ({
  document: 'd',
  version: 2,
  collection: 'default',
  batch: 1,
  batches: 3,
  generation: GENERATION,
  chunks: Array.from({ length: count }, (_, i) => ({
    chunk: 100 + i,
    context: 'Ships › Oars',
    text: `Oar ${i}`,
  })),
});

test('a batch of chunks becomes one event, which is the reply: it needs no sink', async () => {
  const data = created(20);
  const events = await say('chunks.created', 'd', data);
  expect(publishes(stage)).toBe(false);
  expect(events).toHaveLength(1);
  const vectors = events.flatMap((event) => {
    expect(event.type).toBe('dev.knarr.chunks.embedded.v1');
    expect(event.subject).toBe('d');
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MAX_EVENT_BYTES);
    const embedded = EVENTS['chunks.embedded'].parse(event.data);
    const { document, version, batch, batches, generation } = data;
    expect(embedded).toMatchObject({ document, version, batch, batches, generation, dimensions: 384 });
    return embedded.vectors;
  });
  expect(vectors.map(({ chunk }) => chunk)).toEqual(data.chunks.map(({ chunk }) => chunk));

  const alone = await running.call({ texts: [withContext('Ships › Oars', 'Oar 7')], kind: 'passage' }, call);
  expect(vectors[7]?.vector).toBe(alone.vectors[0]);
});

test('the same event again says the same', async () => {
  const ids = async () => (await say('chunks.created', 'd', created(30))).map(({ id }) => id);
  expect(await ids()).toEqual(await ids());
});

test('chunks of another model are refused', async () => {
  const data = { ...created(1), generation: GENERATION.replace('all-MiniLM-L6-v2', 'other-model') };
  await expect(say('chunks.created', 'd', data)).rejects.toMatchObject({
    code: 'model_mismatch',
    message: /other-model/,
  });
});

const ask = (change: Partial<EventData<'query.asked'>> = {}) =>
  EVENTS['query.asked'].parse({
    query: 'q1',
    question: 'Who rows?',
    principals: ['*'],
    timings: { gateway: 1 },
    ...change,
  });

test('a question gets its vector and its time', async () => {
  const [event] = await say('query.asked', 'q1', ask());
  expect(event).toMatchObject({ type: 'dev.knarr.query.embedded.v1', subject: 'q1' });
  const data = EVENTS['query.embedded'].parse(event?.data);
  expect(data).toMatchObject({ question: 'Who rows?', model: 'all-MiniLM-L6-v2', degraded: [] });
  expect(data.timings).toEqual({ gateway: 1, embed: expect.any(Number) });
  const direct = await running.call({ texts: ['Who rows?'], kind: 'query' }, call);
  expect(data.vector).toBe(direct.vectors[0]);
});

test('a lexical question goes on as it came, a cut one says so', async () => {
  const [lexical] = await say('query.asked', 'q1', ask({ mode: 'lexical' }));
  expect(lexical?.data).toEqual(ask({ mode: 'lexical' }));
  const [cut] = await say('query.asked', 'q1', ask({ question: 'why '.repeat(400) }));
  expect(cut?.data).toMatchObject({ degraded: ['embed.truncated'] });
});

test('the configuration must agree with the model folder', async () => {
  const config = readConfig(embedKnobs, { KNARR_EMBED_DIMENSIONS: '768', KNARR_EMBED_WORKERS: '1' });
  await expect(openEncoder(config)).rejects.toMatchObject({ code: 'model_mismatch', message: /384.*768/ });
  const openai = readConfig(embedKnobs, { KNARR_EMBED_BACKEND: 'openai' });
  await expect(openEncoder(openai)).rejects.toMatchObject({ message: /OPENAI_BASE_URL/ });
});

test('an expired question is not embedded', async () => {
  const fresh = await createOnnxEncoder({
    folder: 'models/all-MiniLM-L6-v2',
    workers: 1,
    threads: 1,
    tokenBudget: 256,
    queueTokens: 1000,
    cacheBytes: 0,
  });
  try {
    const expired = { kind: 'query' as const, tenant: 'acme', signal, deadline: Date.now() - 1 };
    await expect(fresh.encode(['late'], expired)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(fresh.dispatched).toBe(0);
  } finally {
    await fresh.close();
  }
});
