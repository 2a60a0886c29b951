import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeVector } from '../../_shared/vectors.ts';
import { createOpenAIEncoder } from './openai.ts';

const live = new AbortController().signal;
let answer: (request: { body: { input: string[] }; headers: IncomingMessage['headers']; count: number }) => {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
};
let count = 0;
const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  count++;
  const { status, body, headers } = answer({
    body: JSON.parse(Buffer.concat(parts).toString()),
    headers: request.headers,
    count,
  });
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
});
let encoder: ReturnType<typeof createOpenAIEncoder>;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  encoder = createOpenAIEncoder({ baseUrl, apiKey: 'sesame', model: 'm', dimensions: 2, timeoutMs: 5000 });
});
afterAll(() => void server.close());

const rows = (texts: string[]) => ({
  data: texts
    .map((text, index) => ({ index, embedding: encodeVector(Float32Array.of(text.length, index)) }))
    .reverse(),
});

test('vectors come back in the order of the texts, from as many requests as it takes', async () => {
  count = 0;
  answer = ({ body, headers }) => ({
    status: headers.authorization === 'Bearer sesame' ? 200 : 401,
    body: rows(body.input),
  });
  const texts = Array.from({ length: 130 }, (_, index) => 'x'.repeat(index));
  const { vectors } = await encoder.encode(texts, { kind: 'passage', signal: live });
  expect(vectors.map(([length]) => length)).toEqual(texts.map((text) => text.length));
  expect(count).toBe(2);
});

test('a busy server is tried again', async () => {
  count = 0;
  answer = ({ body, count: n }) =>
    n < 3 ? { status: n === 1 ? 429 : 503, body: {} } : { status: 200, body: rows(body.input) };
  expect((await encoder.encode(['a'], { kind: 'query', signal: live })).vectors).toHaveLength(1);
  expect(count).toBe(3);
});

test.each([
  ['a refusal', { status: 400, body: {} }, 'upstream_failed'],
  [
    'vectors of another length',
    { status: 200, body: { data: [{ index: 0, embedding: [1, 2, 3] }] } },
    'model_mismatch',
  ],
  ['too few vectors', { status: 200, body: { data: [] } }, 'upstream_failed'],
])('%s is a clear error', async (_, given, code) => {
  answer = () => given;
  await expect(encoder.encode(['a'], { kind: 'query', signal: live })).rejects.toMatchObject({ code });
});

test('a caller that leaves ends the request', async () => {
  answer = () => ({ status: 503, body: {} });
  const gone = new AbortController();
  const asked = encoder.encode(['a'], { kind: 'query', signal: gone.signal });
  setTimeout(() => gone.abort(), 20);
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
});
