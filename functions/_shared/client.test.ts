import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { httpClient, localClient } from './client.ts';
import { KnarrError } from './errors.ts';
import { runStage } from './runtime/run.ts';
import { type Served, serve } from './runtime/serve.ts';
import { type Call, defineStage, type StageClient } from './stage.ts';
import { createLogger } from './telemetry/log.ts';

type In = { say: string };
type Out = { said: string; tenant: string; principals: string[] };

/** A real stage: says what it was told in two pieces, or fails, or waits until it is aborted. */
let aborted: unknown;
const stage = runStage(
  defineStage({
    name: 'generate',
    summary: 'Repeats.',
    input: z.object({ say: z.string().min(1) }),
    output: z.object({ said: z.string(), tenant: z.string(), principals: z.array(z.string()) }),
    async handle({ say }, { tenant, principals, signal, onProgress }) {
      onProgress?.({ text: say.slice(0, 1) });
      if (say === 'busy') throw new KnarrError('too_many_requests', 'Later, please.', { retryAfter: 3 });
      if (say === 'wait') {
        await once(signal, 'abort');
        aborted = signal.reason;
        throw signal.reason;
      }
      onProgress?.({ text: say.slice(1) });
      return { said: say, tenant, principals: [...principals] };
    },
    on: {},
    knobs: {},
    open: async () => ({}),
  }),
  {},
  { log: createLogger('silent') },
);

let served: Served;
let strange: Server;
let reply: (request: IncomingMessage, response: ServerResponse) => void;
beforeAll(async () => {
  served = await serve(stage, { port: 0, hostname: '127.0.0.1' });
  strange = createServer((request, response) => reply(request, response)).listen(0, '127.0.0.1');
  await once(strange, 'listening');
});
afterAll(async () => {
  await served.close();
  strange.closeAllConnections();
  strange.close();
});
beforeEach(() => {
  aborted = undefined;
});

const call = (more: Partial<Call> = {}): Call => ({
  tenant: 'acme',
  principals: ['*'],
  signal: new AbortController().signal,
  ...more,
});
const toStage = (input: In, more: Partial<Call> = {}, timeout?: number) =>
  httpClient<In, Out>(served.url, { ...(timeout !== undefined && { timeout }) })(input, call(more));
/** What a client makes of an answer that no stage of ours would give. */
const toStranger = (answer: typeof reply, more: Partial<Call> = {}): ReturnType<StageClient<In, Out>> => {
  reply = answer;
  const url = `http://127.0.0.1:${(strange.address() as AddressInfo).port}`;
  return httpClient<In, Out>(url)({ say: 'x' }, call(more));
};

test('a call takes tenant, principals, deadline and trace along, whatever they contain', async () => {
  const principals = ['user:ö, ü', 'group:a,b', '*'];
  expect(await toStage({ say: 'hi' }, { tenant: 'tenant ü/1', principals })).toEqual({
    said: 'hi',
    tenant: 'tenant ü/1',
    principals,
  });
  let headers: IncomingMessage['headers'] = {};
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const deadline = Date.now() + 60_000;
  await toStranger(
    (request, response) => {
      headers = request.headers;
      response.end('{}');
    },
    { traceparent, tracestate: 'a=b', deadline },
  );
  expect(headers).toMatchObject({
    traceparent,
    tracestate: 'a=b',
    'knarr-deadline': new Date(deadline).toISOString(),
    'accept-encoding': 'identity',
  });
});

test('a streamed answer gives its pieces in order, then itself', async () => {
  const pieces: string[] = [];
  const answer = await toStage({ say: 'hello' }, { onProgress: ({ text }) => pieces.push(text) });
  expect([pieces, answer.said]).toEqual([['h', 'ello'], 'hello']);
});

test.each([false, true])('a refusal is the error that it was (streamed: %s)', async (streamed) => {
  const more = streamed ? { onProgress: () => {} } : {};
  await expect(toStage({ say: 'busy' }, more)).rejects.toMatchObject({
    code: 'too_many_requests',
    message: 'Later, please.',
    ...(!streamed && { retryAfter: 3 }),
  });
  await expect(toStage({ say: '' }, more)).rejects.toMatchObject({ code: 'invalid_request' });
});

test.each([false, true])('a passed deadline ends the call and the work (streamed: %s)', async (streamed) => {
  const more = streamed ? { onProgress: () => {} } : {};
  await expect(toStage({ say: 'wait' }, { deadline: Date.now() + 150, ...more })).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  await expect.poll(() => aborted).toBeInstanceOf(Error);
});

test('a call without a deadline gets one', async () => {
  await expect(toStage({ say: 'wait' }, {}, 150)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect.poll(() => aborted).toBeInstanceOf(Error);
});

test.each([false, true])('a caller who leaves ends the work (streamed: %s)', async (streamed) => {
  const caller = new AbortController();
  const pieces: string[] = [];
  const more = streamed ? { onProgress: ({ text }: { text: string }) => pieces.push(text) } : {};
  const asked = toStage({ say: 'wait' }, { signal: caller.signal, ...more });
  if (streamed) await expect.poll(() => pieces).toEqual(['w']);
  else await new Promise((resolve) => setTimeout(resolve, 100));
  caller.abort();
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  await expect.poll(() => KnarrError.from(aborted)).toMatchObject({ code: 'cancelled' });
});

test('a caller who has left already is not asked for', async () => {
  const signal = AbortSignal.abort();
  await expect(toStage({ say: 'hi' }, { signal })).rejects.toMatchObject({ code: 'cancelled' });
  const local = localClient<In, Out>(stage);
  await expect(local({ say: 'hi' }, call({ signal }))).rejects.toMatchObject({ code: 'cancelled' });
});

test('nobody there is unavailable', async () => {
  const gone = await serve(stage, { port: 0, hostname: '127.0.0.1' });
  await gone.close();
  await expect(httpClient(gone.url)({}, call())).rejects.toMatchObject({
    code: 'unavailable',
    retryable: true,
  });
});

test.each<[string, typeof reply, string]>([
  [
    'a proxy without an endpoint',
    (_, response) => response.writeHead(503).end('no healthy upstream'),
    'unavailable',
  ],
  ['a proxy that waited in vain', (_, response) => response.writeHead(504).end(), 'deadline_exceeded'],
  ['a full queue', (_, response) => response.writeHead(429).end('<html>'), 'too_many_requests'],
  ['another 4xx', (_, response) => response.writeHead(418).end('null'), 'upstream_failed'],
  ['a code nobody knows', (_, response) => response.writeHead(422).end('{"code":"odd"}'), 'unprocessable'],
  [
    'a code of the prototype',
    (_, response) => response.writeHead(500).end('{"code":"toString"}'),
    'upstream_failed',
  ],
  ['a redirect', (_, response) => response.writeHead(302, { location: '/x' }).end(), 'unavailable'],
  ['no JSON', (_, response) => response.end('hello'), 'upstream_failed'],
  [
    'half an answer',
    (_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"said":', () => response.destroy());
    },
    'upstream_failed',
  ],
  ['a cut connection', (request) => request.socket.destroy(), 'unavailable'],
  [
    'a stream that ends early',
    (_, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: progress\ndata: {}\n\n'),
    'upstream_failed',
  ],
  [
    'a stream of no JSON',
    (_, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: result\ndata: {\n\n'),
    'upstream_failed',
  ],
])('%s', async (_, answer, code) => {
  await expect(toStranger(answer)).rejects.toMatchObject({ code });
});

test('an answer without end is given up', async () => {
  let sent = 0;
  let closed = false;
  await expect(
    toStranger((_, response) => {
      response.on('close', () => {
        closed = true;
      });
      const part = Buffer.alloc(1024 * 1024, ' ');
      const more = () => {
        while (!closed) {
          sent += part.length;
          if (!response.write(part)) return void response.once('drain', more);
        }
      };
      more();
    }),
  ).rejects.toMatchObject({ code: 'upstream_failed', message: expect.stringContaining('no end') });
  await expect.poll(() => closed).toBe(true);
  expect(sent).toBeLessThan(128 * 1024 * 1024);
});
