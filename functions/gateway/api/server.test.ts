import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Served, serve } from '../../_shared/runtime/serve.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
let served: Served;
let embedding: AbortSignal[];
beforeAll(async () => {
  gateway = await openTestGateway(
    { KNARR_MAX_DOCUMENT_BYTES: '100kB', KNARR_MAX_QUESTIONS: '1' },
    {
      embed: (_, { signal }) => {
        embedding.push(signal);
        return new Promise(() => {});
      },
    },
  );
  served = await serve(gateway.running, { port: 0, hostname: '127.0.0.1' });
  embedding = [];
});
afterAll(async () => {
  await served.close();
  await gateway.close();
});

test('an encoded slash stays within the id', async () => {
  const url = `${served.url}/v1/documents/${encodeURIComponent('guide/50% off?.md')}`;
  const headers = { 'content-type': 'text/markdown' };
  const put = await fetch(url, { method: 'PUT', headers, body: '# Off' });
  expect([put.status, ((await put.json()) as { id: string }).id]).toEqual([202, 'guide/50% off?.md']);
  expect((await fetch(url)).status).toBe(200);
});

test('when the client leaves, the work for it ends and its place is free', async () => {
  const ask = (signal: AbortSignal) =>
    fetch(`${served.url}/v1/rag`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"question":"x"}',
      signal,
    }).catch(() => undefined);
  for (const attempt of [0, 1]) {
    const client = new AbortController();
    const asked = ask(client.signal);
    await expect.poll(() => embedding.length).toBe(attempt + 1);
    client.abort();
    await asked;
    await expect.poll(() => embedding[attempt]?.aborted).toBe(true);
  }
});

test('a body larger than allowed is answered while it is still being sent', async () => {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const upload = request(`${served.url}/v1/documents/large`, {
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
    });
    upload.on('response', (response) => {
      clearInterval(sending);
      resolve(response.statusCode);
      upload.destroy();
    });
    upload.on('error', reject);
    const sending = setInterval(() => upload.write(Buffer.alloc(20_000, 'x')), 5);
  });
  expect(status).toBe(413);
  expect((await fetch(`${served.url}/v1/documents/large`)).status).toBe(404);
});

test('a followed document leaves when its client does', async () => {
  await fetch(`${served.url}/v1/documents/followed`, {
    method: 'PUT',
    headers: { 'content-type': 'text/plain' },
    body: 'text',
  });
  const client = new AbortController();
  const response = await fetch(`${served.url}/v1/documents/followed/events`, { signal: client.signal });
  const reader = response.body?.getReader();
  const first = Buffer.from((await reader?.read())?.value ?? []).toString();
  expect(first).toMatch(/^event: state\ndata: \{"id":"followed"/);
  client.abort();
});
