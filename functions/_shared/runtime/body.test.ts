import { once } from 'node:events';
import { request } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineStage } from '../stage.ts';
import { createLogger } from '../telemetry/log.ts';
import { bodyStream, decodeUtf8, readBody } from './body.ts';
import { runStage } from './run.ts';
import { type Served, serve } from './serve.ts';

const MiB = 1024 * 1024;
const TEXT = 'Ægir brews ale. '.repeat(500);
type Bytes = Uint8Array<ArrayBuffer>;

const requestOf = (body: Bytes | ReadableStream<Bytes>, headers: Record<string, string> = {}) =>
  new Request('http://stage/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit);

/** A stream that says how much of it has been taken. */
function counted(part: Bytes, parts: number) {
  const taken = { bytes: 0, cancelled: false };
  const source = {
    pull(controller: ReadableStreamDefaultController<Bytes>) {
      taken.bytes += part.byteLength;
      controller.enqueue(part);
      if (taken.bytes >= part.byteLength * parts) controller.close();
    },
    cancel() {
      taken.cancelled = true;
    },
  };
  return { taken, stream: new ReadableStream<Bytes>(source, { highWaterMark: 0 }) };
}

test.each<[string, (bytes: Buffer) => Uint8Array]>([
  ['identity', (bytes) => bytes],
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZIP', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
])('%s is read whole, at once and as a stream, with and without a length', async (encoding, compress) => {
  const bytes = new Uint8Array(compress(Buffer.from(TEXT)));
  const limit = Buffer.byteLength(TEXT);
  const headers = { 'content-encoding': encoding };
  const sized = { ...headers, 'content-length': String(bytes.byteLength) };
  for (const [body, sent] of [
    [bytes, sized],
    [new Blob([bytes]).stream(), headers],
  ] as const) {
    expect(decodeUtf8(await readBody(requestOf(body, sent), limit))).toBe(TEXT);
  }
  const parts: Uint8Array[] = [];
  for await (const part of bodyStream(requestOf(bytes, headers), limit)) parts.push(part);
  expect(Buffer.concat(parts).toString()).toBe(TEXT);
  await expect(readBody(requestOf(bytes, headers), limit - 1)).rejects.toMatchObject({ code: 'too_large' });
});

test('a length that says too much is enough to refuse, before anything is read', async () => {
  const { taken, stream } = counted(new Uint8Array(1000), 1000);
  const sent = requestOf(stream, { 'content-length': '1000000' });
  await expect(readBody(sent, 999_999)).rejects.toMatchObject({ code: 'too_large' });
  expect(taken.bytes).toBe(0);
});

test('a body without a length is read no further than the limit', async () => {
  const { taken, stream } = counted(new Uint8Array(64 * 1024), 10_000);
  await expect(readBody(requestOf(stream), MiB)).rejects.toMatchObject({ code: 'too_large' });
  expect(taken.bytes).toBeLessThan(2 * MiB);
  await expect.poll(() => taken.cancelled).toBe(true);
});

/** 2 GiB of nothing: a gzip file may consist of many members. */
function gzipBomb() {
  const member = new Uint8Array(gzipSync(Buffer.alloc(8 * MiB)));
  return counted(member, 256);
}

test('a gzip bomb is inflated no further than the limit, and memory stays where it was', async () => {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let highest = before;
  for (let run = 0; run < 5; run++) {
    const { taken, stream } = gzipBomb();
    let inflated = 0;
    const read = async () => {
      for await (const part of bodyStream(requestOf(stream, { 'content-encoding': 'gzip' }), MiB)) {
        inflated += part.byteLength;
        highest = Math.max(highest, process.memoryUsage.rss());
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'too_large' });
    expect(inflated).toBeLessThanOrEqual(MiB);
    expect(taken.bytes).toBeLessThan(MiB / 2);
  }
  expect((highest - before) / MiB).toBeLessThan(100);
});

test.each([
  ['broken', new Uint8Array(Buffer.from('no gzip')), 'gzip', 'invalid_request'],
  ['cut off', new Uint8Array(gzipSync(TEXT).subarray(0, 50)), 'gzip', 'invalid_request'],
  ['in an unknown encoding', new Uint8Array(1), 'zstd', 'unsupported_media_type'],
  ['in two encodings', new Uint8Array(1), 'gzip, br', 'unsupported_media_type'],
  ['in an encoding of the prototype', new Uint8Array(1), 'toString', 'unsupported_media_type'],
])('a body %s is refused', async (_, body, encoding, code) => {
  await expect(readBody(requestOf(body, { 'content-encoding': encoding }), MiB)).rejects.toMatchObject({
    code,
  });
});

test('a request without a body has an empty one', async () => {
  expect(await readBody(new Request('http://stage/'), 10)).toHaveLength(0);
});

test('bytes that are no UTF-8 are refused, and a byte order mark is no text', () => {
  expect(() => decodeUtf8(new Uint8Array([0x61, 0xff]))).toThrow('not valid UTF-8');
  expect(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe('a');
});

let served: Served;
const logged: object[] = [];
beforeAll(async () => {
  const log = createLogger('silent');
  const stage = defineStage({
    name: 'embed',
    summary: 'Counts.',
    input: z.object({ text: z.string() }),
    output: z.object({ length: z.int() }),
    handle: async ({ text }) => ({ length: text.length }),
    on: {},
    knobs: {},
    open: async () => ({}),
    maxBodyBytes: MiB,
  });
  const recording = { ...log, error: (fields: object) => void logged.push(fields), child: () => log };
  served = await serve(runStage(stage, {}, { log: recording }), { port: 0, hostname: '127.0.0.1' });
});
afterAll(() => served.close());

/** Sends parts until there is an answer. */
function upload(headers: Record<string, string>, part: Uint8Array, parts: number) {
  return new Promise<{ status: number | undefined; sent: number }>((resolve, reject) => {
    const outgoing = request(served.url, { method: 'POST', headers });
    let sent = 0;
    let answered = false;
    outgoing.on('error', (error) => {
      if (!answered) reject(error);
    });
    outgoing.on('response', (response) => {
      answered = true;
      resolve({ status: response.statusCode, sent });
      response.resume();
      outgoing.destroy();
    });
    const more = () => {
      while (!answered && sent < part.byteLength * parts) {
        sent += part.byteLength;
        if (!outgoing.write(part)) return void outgoing.once('drain', more);
      }
      if (!answered) outgoing.end();
    };
    more();
  });
}
const json = { 'content-type': 'application/json' };
const event = {
  'content-type': 'application/json',
  'ce-id': '1',
  'ce-source': '/s',
  'ce-type': 't',
  'ce-specversion': '1.0',
};

test.each<[string, Record<string, string>]>([
  ['a JSON body', json],
  ['an event in binary mode', event],
  ['an event in structured mode', { 'content-type': 'application/cloudevents+json' }],
])('%s that is too large is answered 413 while it is still being sent', async (_, headers) => {
  const part = new Uint8Array(64 * 1024).fill(0x20);
  const chunked = await upload(headers, part, 16_000);
  expect(chunked.status).toBe(413);
  expect(chunked.sent).toBeLessThan(64 * MiB);
  const sized = await upload({ ...headers, 'content-length': String(1024 * MiB) }, part, 16_000);
  expect(sized.status).toBe(413);
});

test.each([
  ['JSON', json],
  ['an event', event],
])('a gzip bomb as %s is answered 413', async (_, headers) => {
  const member = gzipSync(Buffer.alloc(8 * MiB));
  expect((await upload({ ...headers, 'content-encoding': 'gzip' }, member, 2000)).status).toBe(413);
});

test('a client that breaks off in the middle leaves a server that works, and no error in its log', async () => {
  const outgoing = request(served.url, { method: 'POST', headers: { ...json, 'content-length': '1000' } });
  outgoing.on('error', () => {});
  outgoing.write('{"text":');
  await once(outgoing, 'socket');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const closed = new Promise((resolve) => outgoing.once('close', resolve));
  outgoing.destroy();
  await closed;
  const answer = await fetch(served.url, { method: 'POST', headers: json, body: '{"text":"ok"}' });
  expect(await answer.json()).toEqual({ length: 2 });
  expect(logged).toEqual([]);
});
