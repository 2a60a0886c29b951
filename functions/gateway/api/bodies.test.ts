import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(
    { KNARR_MAX_BODIES_BYTES: '1000' },
    { embed: async () => ({ vectors: [''], model: 'm', dimensions: 1, tokens: [1], truncated: [] }) },
  );
});
afterAll(() => gateway.close());

type Body = NonNullable<RequestInit['body']>;
const send = (method: string, path: string, type: string, bytes: number | undefined, body: Body) =>
  gateway.ask(method, path, undefined, {
    body,
    duplex: 'half',
    headers: { 'content-type': type, ...(bytes !== undefined && { 'content-length': String(bytes) }) },
  } as RequestInit);
const put = (id: string, bytes: number | undefined, body: Body = 'x'.repeat(bytes ?? 1)) =>
  send('PUT', `/v1/documents/${id}`, 'text/plain', bytes, body);

/** A body that comes when told to. */
function slow(bytes: number) {
  let come = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      come = () => {
        controller.enqueue(Buffer.from('x'.repeat(bytes)));
        controller.close();
      };
    },
  });
  return { body, come: () => come() };
}
const unread = () =>
  new ReadableStream(
    {
      pull() {
        throw new Error('It was read.');
      },
    },
    { highWaterMark: 0 },
  );

test('bodies for which there is no room beside others are refused before they are read', async () => {
  // Whoever is alone gets in, whatever its size.
  const large = slow(1500);
  const first = put('large', 1500, large.body);
  const refused = [
    await put('a', 1, unread()),
    await put('a', undefined, 'unsaid'),
    await send('PUT', '/v1/documents/a', 'application/json', 50, unread()),
    await send('PUT', '/v1/documents/a', 'multipart/form-data; boundary=x', 50, unread()),
    await send('POST', '/v1/embeddings', 'application/json', 50, unread()),
  ];
  for (const { status, headers } of refused) {
    expect([status, headers.get('retry-after')]).toEqual([429, '1']);
  }
  const lines = '{"id":"b","text":"x"}\n';
  const batch = await send('POST', '/v1/documents:batch', 'application/x-ndjson', undefined, lines);
  expect(JSON.parse(batch.body)).toMatchObject({ line: 1, status: 429 });
  // What holds no document is not among them.
  expect((await gateway.ask('GET', '/v1/documents')).status).toBe(200);
  expect((await gateway.ask('POST', '/v1/search', { query: 'x', collection: 'none' })).status).not.toBe(429);
  large.come();
  expect((await first).status).toBe(202);
});

test('room is given back, however it ends', async () => {
  for (let round = 0; round < 3; round++) {
    const [waiting, beside] = [slow(600), slow(400)];
    const both = [put(`c${round}`, 600, waiting.body), put(`d${round}`, 400, beside.body)];
    expect((await put('e', 1)).status).toBe(429);
    waiting.come();
    beside.come();
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([202, 202]);
    expect((await send('PUT', '/v1/documents/e', 'application/json', 900, '{')).status).toBe(400);
    const input = JSON.stringify({ input: 'x', encoding_format: 'base64' });
    const embedded = await send('POST', '/v1/embeddings', 'application/json', input.length, input);
    expect(embedded.status).toBe(200);
    expect((await put(`f${round}`, 1000)).status).toBe(202);
  }
});
