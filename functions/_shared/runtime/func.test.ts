import { gzipSync } from 'node:zlib';
import { CloudEvent as PackageEvent } from 'cloudevents';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { emit, eventType } from '../events.ts';
import { defineStage } from '../stage.ts';
import { createLogger } from '../telemetry/log.ts';
import { asFunction, type FuncContext } from './func.ts';
import { hostFunction } from './host.ts';

const reference = { document: 'ship', version: 1, collection: 'default' };
const calls: string[] = [];
let finish: (() => void) | undefined;
let isReady = true;
const stage = defineStage({
  name: 'ingest',
  summary: 'Repeats.',
  input: z.object({ say: z.string() }),
  output: z.object({ said: z.string(), tenant: z.string() }),
  async handle({ say }, { tenant }) {
    if (say === 'wait') {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    }
    return { said: say, tenant };
  },
  on: {
    'document.accepted': {
      produces: ['document.indexed'],
      handle: async (data) =>
        emit('document.indexed', data.document, { ...data, chunks: 1, generation: 'g' }),
    },
  },
  knobs: {},
  async open() {
    calls.push('open');
    return {};
  },
  async close() {
    calls.push('close');
  },
  async ready() {
    if (!isReady) throw new Error('warming up');
  },
});

const opened = async () => {
  const module = asFunction(stage, { LOG_LEVEL: 'silent' });
  await module.init();
  return module;
};
const http = (headers: Record<string, string> = {}): FuncContext => ({ method: 'POST', headers });

test('a parsed body, and bytes that the host did not parse, are answered alike', async () => {
  const { handle } = await opened();
  const answer = await handle(http({ 'content-type': 'application/json', 'knarr-tenant': 'acme' }), {
    say: 'hi',
  });
  expect(answer.statusCode).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({ said: 'hi', tenant: 'acme' });
  const bytes = Buffer.from('{"say":"hi"}');
  expect(JSON.parse((await handle(http(), bytes)).body)).toEqual({ said: 'hi', tenant: 'default' });
  const zipped = { 'content-type': 'application/problem+json', 'content-encoding': 'gzip' };
  expect(JSON.parse((await handle(http(zipped), gzipSync(bytes))).body)).toMatchObject({ said: 'hi' });
});

test.each([
  ['nothing', http(), undefined, 400],
  ['another shape', http(), { say: 1 }, 400],
  ['text', http({ 'content-type': 'text/plain' }), 'hi', 415],
  ['another method', { method: 'GET', headers: {} }, undefined, 405],
])('%s is refused as an answer, not by throwing', async (_, context, input, statusCode) => {
  const { handle } = await opened();
  const answer = await handle(context, input);
  expect(answer).toMatchObject({ statusCode, headers: { 'content-type': 'application/problem+json' } });
});

const eventOf = (data: unknown, type = eventType('document.accepted')) =>
  new PackageEvent({
    id: '1',
    source: '/test',
    type,
    tenant: 'acme',
    datacontenttype: 'application/json',
    data,
  });

test("an event of the host's cloudevents package is answered with the produced event", async () => {
  const { handle } = await opened();
  const context = { ...http({ 'content-type': 'application/json' }), cloudevent: eventOf(reference) };
  const answer = await handle(context, context.cloudevent);
  expect(answer).toMatchObject({
    statusCode: 200,
    headers: { 'ce-type': eventType('document.indexed'), 'ce-tenant': 'acme', 'ce-subject': 'ship' },
  });
  expect(JSON.parse(answer.body)).toMatchObject({ ...reference, chunks: 1 });
  const refused = { ...http(), cloudevent: eventOf({}, 'com.example') };
  expect(await handle(refused, refused.cloudevent)).toMatchObject({ statusCode: 422 });
});

test('bytes in an event survive the package, which keeps them as base64', async () => {
  const { handle } = await opened();
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(reference)));
  const event = new PackageEvent({
    id: '1',
    source: '/test',
    type: eventType('document.accepted'),
    datacontenttype: 'application/json',
    data: bytes,
  });
  const answer = await handle({ ...http(), cloudevent: event }, event);
  expect(answer.statusCode).toBe(200);
});

test('before init it is unavailable, and readiness is the stage’s own', async () => {
  const module = asFunction(stage, { LOG_LEVEL: 'silent' });
  expect((await module.handle(http(), {})).statusCode).toBe(503);
  await expect(module.readiness()).rejects.toMatchObject({ statusCode: 503 });
  await module.init();
  isReady = false;
  await expect(module.readiness()).rejects.toMatchObject({ statusCode: 503 });
  isReady = true;
  expect(await module.readiness()).toEqual({ status: 'ready' });
  expect(module.liveness()).toEqual({ status: 'live' });
});

test('shutdown refuses new work, waits for what is in flight, then closes', async () => {
  calls.length = 0;
  const module = await opened();
  const work = module.handle(http(), { say: 'wait' });
  await expect.poll(() => finish).toBeDefined();
  const over = module.shutdown();
  expect((await module.handle(http(), { say: 'hi' })).statusCode).toBe(503);
  expect(calls).toEqual(['open']);
  finish?.();
  expect((await work).statusCode).toBe(200);
  await over;
  expect(calls).toEqual(['open', 'close']);
});

test('a wrong environment fails init with every problem', async () => {
  await expect(asFunction(stage, { PORT: 'x', LOG_LEVEL: 'y' }).init()).rejects.toThrow(/PORT.*LOG_LEVEL/s);
});

test('the module is one that our own host runs, too', async () => {
  const hosted = await hostFunction(asFunction(stage, { LOG_LEVEL: 'silent' }) as never, {
    log: createLogger('silent'),
  });
  const json = { 'content-type': 'application/json' };
  const post = (body: string, headers = json) =>
    hosted.fetch(new Request('http://function/', { method: 'POST', body, headers }));
  expect(await (await post('{"say":"hi"}')).json()).toEqual({ said: 'hi', tenant: 'default' });
  const event = { 'ce-id': '1', 'ce-source': '/t', 'ce-specversion': '1.0' };
  const headers = { ...json, ...event, 'ce-type': eventType('document.accepted') };
  const answer = await post(JSON.stringify(reference), headers);
  expect(answer.headers.get('ce-type')).toBe(eventType('document.indexed'));
  const ready = await hosted.fetch(new Request('http://function/health/readiness'));
  expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
  await hosted.close();
});
