import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { KnarrError } from '../errors.ts';
import { type CloudEvent, emit, eventType } from '../events.ts';
import { defineStage, type Logger } from '../stage.ts';
import { createLogger } from '../telemetry/log.ts';
import { runStage } from './run.ts';
import { documentAccepted } from './testing/event.ts';

const reference = { document: 'd', version: 1, collection: 'c' };

const echo = defineStage({
  name: 'embed',
  summary: 'Says what it was told.',
  input: z.object({ say: z.string(), fail: z.boolean().default(false) }),
  output: z.object({ said: z.string(), tenant: z.string() }),
  async handle(input, context) {
    if (input.fail) throw new KnarrError('too_many_requests', 'busy', { retryAfter: 2 });
    context.onProgress?.({ text: input.say });
    return { said: input.say, tenant: context.tenant };
  },
  on: {
    'document.accepted': {
      produces: ['document.indexed'],
      several: true,
      async handle(data, context) {
        if (data.document === 'missing') throw new KnarrError('not_found', 'no such document');
        const indexed = emit('document.indexed', data.document, { ...reference, chunks: 1, generation: 'g' });
        if (data.document === 'many')
          return [indexed, emit('document.indexed', 'other', { ...indexed.data, chunks: 2 })];
        if (data.document === 'slow') await new Promise(() => {});
        expect(context.signal.aborted).toBe(false);
        return data.document === 'none' ? [] : [indexed];
      },
    },
  },
  knobs: {},
  open: async () => ({}),
  maxBodyBytes: 4096,
});

const published: CloudEvent[] = [];
const running = runStage(
  echo,
  {},
  {
    log: createLogger('silent'),
    publisher: { publish: async (events) => void published.push(...events) },
  },
);
const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  running.fetch(new Request('http://stage/', { method: 'POST', body, headers }));
const json = (value: unknown, headers = {}) =>
  post(JSON.stringify(value), { 'content-type': 'application/json', ...headers });
const event = (document: string, more: Record<string, string> = {}) =>
  running.fetch(documentAccepted('http://stage/', { ...reference, document }, more));

test('plain JSON is answered with JSON, for the tenant of the call', async () => {
  const answer = await json({ say: 'hi' }, { 'knarr-tenant': 'acme' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('server-timing')).toMatch(/^embed;dur=/);
  expect(await answer.json()).toEqual({ said: 'hi', tenant: 'acme' });
});

test('progress is streamed when it is asked for', async () => {
  const answer = await json({ say: 'hi' }, { accept: 'text/event-stream' });
  expect(await answer.text()).toBe(
    'event: progress\ndata: {"text":"hi"}\n\nevent: result\ndata: {"said":"hi","tenant":"default"}\n\n',
  );
});

test('one emitted event is the reply; it carries tenant, trace and a derived id', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const answer = await event('one', { 'ce-traceparent': traceparent });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('ce-type')).toBe(eventType('document.indexed'));
  expect(answer.headers.get('ce-tenant')).toBe('acme');
  expect(answer.headers.get('ce-traceparent')).toMatch(
    /^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)/,
  );
  expect((await event('one')).headers.get('ce-id')).toBe(answer.headers.get('ce-id'));
});

test('nothing emitted is 204; several go to the publisher, then 202', async () => {
  expect((await event('none')).status).toBe(204);
  const answer = await event('many');
  expect([answer.status, await answer.text()]).toEqual([202, '']);
  expect(published).toHaveLength(2);
});

test('what a dead letter sink says is published: a Broker discards its reply', async () => {
  const letter = { 'ce-knativeerrorcode': '500', 'ce-knativeerrordest': 'http://embed/' };
  const before = published.length;
  const answer = await event('letter', letter);
  expect([answer.status, await answer.text()]).toEqual([202, '']);
  expect(published.slice(before)).toMatchObject([{ subject: 'letter', tenant: 'acme' }]);
});

test('a permanent failure of an event is never a status that a Broker retries', async () => {
  const answer = await event('missing');
  expect(answer.status).toBe(422);
  expect(await answer.json()).toMatchObject({ code: 'not_found', detail: 'no such document' });
});

test.each([
  ['no JSON', () => post('{', { 'content-type': 'application/json' }), 400],
  ['wrong shape', () => json({ say: 1 }), 400],
  [
    'prototype key',
    () => post('{"say":"a","__proto__":{"x":1}}', { 'content-type': 'application/json' }),
    400,
  ],
  [
    'escaped prototype key',
    () => post('{"say":"a","\\u005f_proto__":{}}', { 'content-type': 'application/json' }),
    400,
  ],
  ['deep JSON', () => post('['.repeat(200_000), { 'content-type': 'application/json' }), 413],
  ['deep JSON within the cap', () => post('['.repeat(100), { 'content-type': 'application/json' }), 400],
  [
    'invalid UTF-8',
    () => post(new Uint8Array([0x22, 0xff, 0x22]), { 'content-type': 'application/json' }),
    400,
  ],
  ['another media type', () => post('say=hi', { 'content-type': 'application/x-www-form-urlencoded' }), 415],
  ['too large', () => json({ say: 'x'.repeat(5000) }), 413],
  [
    'too large once inflated',
    () =>
      post(new Uint8Array(gzipSync(JSON.stringify({ say: 'x'.repeat(50_000) }))), {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      }),
    413,
  ],
  [
    'broken gzip',
    () => post('no gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    400,
  ],
  [
    'unknown encoding',
    () => post('x', { 'content-type': 'application/json', 'content-encoding': 'zip' }),
    415,
  ],
  ['a busy stage', () => json({ say: 'a', fail: true }), 429],
  ['a passed deadline', () => json({ say: 'a' }, { 'knarr-deadline': '2020-01-01T00:00:00Z' }), 504],
  ['a deadline that is none', () => json({ say: 'a' }, { 'knarr-deadline': 'soon' }), 400],
  ['a batch of events', () => post('[]', { 'content-type': 'application/cloudevents-batch+json' }), 415],
  ['an event without type', () => event('one', { 'ce-type': '' }), 400],
  ['an unknown event type', () => event('one', { 'ce-type': 'com.example' }), 422],
  ['event data of another shape', () => event(''), 422],
  ['a bad specversion', () => event('one', { 'ce-specversion': '9.0' }), 400],
  ['an expired event', () => event('one', { 'ce-deadline': '2020-01-01T00:00:00Z' }), 422],
  ['another path', () => running.fetch(new Request('http://stage/nothing')), 404],
  ['another method', () => running.fetch(new Request('http://stage/', { method: 'DELETE' })), 405],
])('%s is refused as a short problem', async (_, send, status) => {
  const answer = await send();
  const body = await answer.text();
  expect([answer.status, body]).toEqual([status, expect.stringContaining('"code"')]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(Buffer.byteLength(body)).toBeLessThan(768);
});

test('the trace of the request is the trace of an event that names none, and passes through', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
  const answer = await event('one', { traceparent, tracestate: 'vendor=1' });
  expect(answer.headers.get('ce-traceparent')).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-\w{16}-00$/);
  expect(answer.headers.get('ce-tracestate')).toBe('vendor=1');
  const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const other = await event('one', { traceparent, tracestate: 'vendor=1', 'ce-traceparent': own });
  expect(other.headers.get('ce-traceparent')).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-/);
  expect(other.headers.has('ce-tracestate')).toBe(false);
  const broken = await event('one', { traceparent: '00-0-0-0', tracestate: 'vendor=1' });
  expect(broken.headers.get('ce-traceparent')).toMatch(/^00-\w{32}-\w{16}-01$/);
  expect(broken.headers.has('ce-tracestate')).toBe(false);
});

test('work that does not heed its signal is answered without it soon after the deadline', async () => {
  const deadline = new Date(Date.now() + 100).toISOString();
  expect((await event('slow', { 'ce-deadline': deadline })).status).toBe(504);
});

test('a failure that nobody foresaw is logged with its cause and told without it', async () => {
  const logged: object[] = [];
  const log = { ...createLogger('silent'), error: (fields: object) => void logged.push(fields) };
  const crash = new Error('secret detail');
  const admit = () => {
    throw crash;
  };
  const stage = runStage({ ...echo, admit }, {}, { log: { ...log, child: () => log } as Logger });
  const answer = await stage.fetch(new Request('http://stage/', { method: 'POST', body: '{}' }));
  expect(answer.status).toBe(500);
  expect(await answer.text()).not.toContain('secret');
  expect(logged).toEqual([{ err: crash }]);
});

test('a retryable failure says when to come back', async () => {
  expect((await json({ say: 'a', fail: true })).headers.get('retry-after')).toBe('2');
});

test('a compressed body is read', async () => {
  const body = new Uint8Array(gzipSync(JSON.stringify({ say: 'zipped' })));
  const answer = await post(body, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  expect(await answer.json()).toMatchObject({ said: 'zipped' });
});

test('web hook validation, health, info and metrics answer', async () => {
  const get = (path: string, method = 'GET') => running.fetch(new Request(`http://stage${path}`, { method }));
  expect((await get('/', 'OPTIONS')).headers.get('webhook-allowed-origin')).toBe('*');
  expect((await get('/health/liveness')).status).toBe(200);
  expect((await get('/health/readiness')).status).toBe(200);
  expect(await (await get('/info')).json()).toMatchObject({
    name: 'embed',
    consumes: [eventType('document.accepted')],
  });
  await json({ say: 'counted' });
  expect(await (await get('/metrics')).text()).toMatch(/knarr_stage_duration_seconds_count\{.*stage="embed"/);
});

test('a draining stage fails readiness, stays alive and refuses work', async () => {
  const draining = runStage(echo, {}, { log: createLogger('silent') });
  draining.drain();
  const get = (path: string) => draining.fetch(new Request(`http://stage${path}`));
  expect((await get('/health/readiness')).status).toBe(503);
  expect((await get('/health/liveness')).status).toBe(200);
  const refused = await draining.fetch(new Request('http://stage/', { method: 'POST', body: '{}' }));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
});
