import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
/** Holds a text of so many bytes under each path that is a number. */
let web: Server;
beforeAll(async () => {
  web = createServer(({ url = '' }, response) => {
    const bytes = Number(url.slice(1));
    response.writeHead(bytes > 0 ? 200 : 404, { 'content-type': 'text/plain' }).end('x'.repeat(bytes || 0));
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  gateway = await openTestGateway(
    { KNARR_MAX_BODIES_BYTES: '1000', KNARR_URI_ALLOW: '127.0.0.1' },
    { embed: async () => ({ vectors: [''], model: 'm', dimensions: 1, tokens: [1], truncated: [] }) },
  );
});
afterAll(async () => {
  await gateway?.close();
  web?.close();
});

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

test('what is read from a URI takes room, too, and gives it back', async () => {
  const at = (path: string | number) => `http://127.0.0.1:${(web.address() as AddressInfo).port}/${path}`;
  const ways = {
    json: async (uri: string, id: string) => {
      const body = JSON.stringify({ uri });
      return (await send('PUT', `/v1/documents/${id}`, 'application/json', body.length, body)).status;
    },
    batch: async (uri: string, id: string) => {
      const line = `${JSON.stringify({ id, uri })}\n`;
      const { body } = await send('POST', '/v1/documents:batch', 'application/x-ndjson', undefined, line);
      return JSON.parse(body).status;
    },
    event: async (uri: string, id: string) => {
      const event = {
        ...{ specversion: '1.0' as const, id, source: 'test', type: 'dev.knarr.document.submitted.v1' },
        ...{ datacontenttype: 'application/json', data: { document: id, uri } },
      };
      return (await gateway.ask('POST', '/v1/events', undefined, writeStructured(event))).status;
    },
  };
  for (const [name, submit] of Object.entries(ways)) {
    expect(await submit(at('gone'), `${name}-gone`), name).toBe(422);
    // Whoever is alone gets in, whatever its size.
    expect(await submit(at(1500), `${name}-large`), name).toBe(202);
    const beside = slow(950);
    const other = put(`${name}-beside`, 950, beside.body);
    expect(await submit(at(600), `${name}-crowded`), name).toBe(429);
    beside.come();
    expect((await other).status).toBe(202);
    expect((await put(`${name}-1`, 1)).status).toBe(202);
    const both = [slow(500), slow(500)];
    const fit = both.map(({ body }, n) => put(`${name}-fits${n}`, 500, body));
    for (const { come } of both) come();
    expect(
      (await Promise.all(fit)).map(({ status }) => status),
      name,
    ).toEqual([202, 202]);
  }
});
