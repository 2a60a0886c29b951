import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { encodeVector } from '../../_shared/vectors.ts';
import { createOpenAIEncoder, type OpenAIEncoderOptions } from './openai.ts';

interface Asked {
  path: string | undefined;
  headers: IncomingMessage['headers'];
  body: { model: string; input: string[]; encoding_format: string };
}
interface Given {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

const { signal } = new AbortController();
const asked: Asked[] = [];
let answer: (request: Asked, count: number) => Given;
const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  asked.push({
    path: request.url,
    headers: request.headers,
    body: JSON.parse(Buffer.concat(parts).toString()),
  });
  const { status, body, headers } = answer(asked.at(-1) as Asked, asked.length);
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
});
let options: OpenAIEncoderOptions;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  options = { baseUrl, apiKey: 'sesame', model: 'm', dimensions: 2, timeoutMs: 5000 };
});
beforeEach(() => {
  asked.length = 0;
});
afterAll(() => void server.close());

const encode = (texts: string[], change: Partial<OpenAIEncoderOptions> = {}) =>
  createOpenAIEncoder({ ...options, ...change }).encode(texts, { kind: 'passage', tenant: 'acme', signal });
/** Each text's vector is its length and place; out of order, since nothing promises an order. */
const rows = (texts: string[]) => ({
  data: texts
    .map((text, index) => ({ index, embedding: encodeVector(Float32Array.of(text.length, index)) }))
    .reverse(),
  usage: { prompt_tokens: 10 * texts.length },
});

test('vectors come back in the order of the texts, from as many requests as it takes', async () => {
  answer = ({ body }) => ({ status: 200, body: rows(body.input) });
  const texts = Array.from({ length: 130 }, (_, index) => 'x'.repeat(index));
  const { vectors, truncated } = await encode(texts);
  expect(vectors.map(([length]) => length)).toEqual(texts.map((text) => text.length));
  expect(truncated).toEqual([]);
  expect(asked.map(({ body }) => body.input.length)).toEqual([128, 2]);
  expect(asked[0]).toMatchObject({
    path: '/v1/embeddings',
    headers: { authorization: 'Bearer sesame' },
    body: { model: 'm', encoding_format: 'base64' },
  });
});

test('plain numbers are understood, and tokens are shared out by length', async () => {
  answer = () => ({
    status: 200,
    body: {
      data: [
        { index: 0, embedding: [1, 2] },
        { index: 1, embedding: [3, 4] },
      ],
      usage: { prompt_tokens: 12 },
    },
  });
  const { vectors, tokens } = await encode(['x', 'xxx']);
  expect(vectors.map((vector) => [...vector])).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(tokens).toEqual([3, 9]);
});

test('without a key none is sent', async () => {
  answer = ({ body }) => ({ status: 200, body: rows(body.input) });
  await encode(['a'], { apiKey: undefined });
  expect(asked[0]?.headers.authorization).toBeUndefined();
});

test('a busy server is tried again', async () => {
  answer = ({ body }, count) =>
    count < 3 ? { status: count === 1 ? 429 : 503, body: {} } : { status: 200, body: rows(body.input) };
  expect((await encode(['a'])).vectors).toHaveLength(1);
  expect(asked).toHaveLength(3);
});

test('the server says when to come back; the deadline is kept all the same', async () => {
  answer = () => ({ status: 429, body: {}, headers: { 'retry-after': '5' } });
  const late = createOpenAIEncoder(options).encode(['a'], {
    kind: 'query',
    tenant: 'acme',
    signal,
    deadline: Date.now() + 100,
  });
  await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(asked).toHaveLength(1);
});

test('a server that stays broken is given up', async () => {
  answer = () => ({ status: 500, body: {} });
  await expect(encode(['a'])).rejects.toMatchObject({ code: 'unavailable', message: /500/ });
  expect(asked).toHaveLength(4);
});

test('a server that is not there is given up', async () => {
  await expect(encode(['a'], { baseUrl: 'http://127.0.0.1:9/v1', timeoutMs: 10_000 })).rejects.toMatchObject({
    code: 'unavailable',
  });
});

test.each([
  ['a refusal', { status: 400, body: {} }, 'upstream_failed'],
  ['a wrong key', { status: 401, body: {} }, 'upstream_failed'],
  ['a redirect', { status: 302, body: {}, headers: { location: 'http://127.0.0.1:9/' } }, 'upstream_failed'],
  [
    'vectors of another length',
    { status: 200, body: { data: [{ index: 0, embedding: [1, 2, 3] }] } },
    'model_mismatch',
  ],
  [
    'bytes of another length',
    { status: 200, body: { data: [{ index: 0, embedding: 'AACAPw==' }] } },
    'model_mismatch',
  ],
  ['too few vectors', { status: 200, body: { data: [] } }, 'upstream_failed'],
  ['no JSON', { status: 200, body: '<html>' }, 'upstream_failed'],
  ['an endless answer', { status: 200, body: ' '.repeat(200_000) }, 'upstream_failed'],
] as [string, Given, string][])('%s is a clear error without the key', async (_, given, code) => {
  answer = () => given;
  const error = await encode(['a']).catch((thrown) => thrown);
  expect(error).toMatchObject({ code });
  expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toContain('sesame');
});

test('a caller that leaves ends the request', async () => {
  answer = () => ({ status: 503, body: {} });
  const gone = new AbortController();
  const left = createOpenAIEncoder(options).encode(['a'], {
    kind: 'query',
    tenant: 'acme',
    signal: gone.signal,
  });
  setTimeout(() => gone.abort(), 20);
  await expect(left).rejects.toMatchObject({ code: 'cancelled' });
});
