import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway({ KNARR_MAX_BATCH_LINE_BYTES: '200' });
});
afterAll(() => gateway.close());

async function batch(body: BodyInitOf, type = 'application/x-ndjson') {
  const init = { body, headers: { 'content-type': type }, duplex: 'half' } as RequestInit;
  const reply = await gateway.ask('POST', '/v1/documents:batch', undefined, init);
  return { ...reply, lines: reply.status === 200 ? parse(reply.body) : [] };
}
type BodyInitOf = NonNullable<RequestInit['body']>;
const parse = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('answers each line by itself and in order', async () => {
  const { headers, lines } = await batch(
    [
      '{"id":"a","text":"one"}',
      '{"id":"a","text":"one"}',
      '',
      '{"text":"made"}',
      '{"id":"b","text":""}',
      `{"id":"b","text":"${'x'.repeat(300)}"}`,
      '{"id":"b"',
      '{"id":7,"text":"x"}',
      '{"id":"b","text":"last"}',
    ].join('\n'),
  );
  expect(headers.get('content-type')).toBe('application/x-ndjson');
  expect(lines.map(({ line, status }) => [line, status])).toEqual([
    [1, 202],
    [2, 200],
    [4, 202],
    [5, 422],
    [6, 413],
    [7, 400],
    [8, 400],
    [9, 202],
  ]);
  expect(lines[0]).toMatchObject({
    id: 'a',
    version: 1,
    state: 'accepted',
    links: { self: '/v1/documents/a' },
  });
  expect(lines[6].error).toMatchObject({ code: 'invalid_request', errors: [{ path: 'id' }] });
  expect((await gateway.ask('GET', lines[2].links.self)).status).toBe(200);
});

test('answers before the last line is sent, and reads no further than its results are read', async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent++;
      controller.enqueue(Buffer.from(`{"id":"same","text":"same"}\n`));
    },
  });
  const request = new Request('http://localhost/v1/documents:batch', {
    method: 'POST',
    body: endless,
    duplex: 'half',
    headers: { 'content-type': 'application/jsonl' },
  } as RequestInit);
  const response = await gateway.running.fetch(request);
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect(parse(Buffer.from(value ?? []).toString())[0]).toMatchObject({ line: 1, status: 202 });
  await reader?.cancel();
  await expect
    .poll(async () => {
      const before = sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return sent - before;
    })
    .toBe(0);
});

test('refuses other media types', async () => {
  expect(await batch('[]', 'application/json')).toMatchObject({ status: 415 });
});
