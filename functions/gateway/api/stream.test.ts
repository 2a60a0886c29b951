import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, expect, test } from 'vitest';
import { type Served, serve } from '../../_shared/runtime/serve.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import { serverEvents } from '../testing.ts';
import { type EventStream, eventStream } from './stream.ts';

let served: Served | undefined;
afterEach(() => served?.close());

/** Serves one stream; resolves with the work's signal as it was when the work ended. */
async function serving(work: (stream: EventStream) => Promise<void>, stalledMs = 60_000) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const app = new Hono();
  const log = createLogger('silent');
  const closing = new AbortController().signal;
  app.get('/', (c) => eventStream(c, { closing, log, release, stalledMs }, work));
  served = await serve(
    { fetch: async (request) => app.fetch(request), drain() {} },
    { port: 0, hostname: '127.0.0.1', drainMs: 1000 },
  );
  return { url: served.url, port: served.port, released };
}

const asking = (port: number): Socket => {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  return socket;
};
const MEBIBYTE = 'x'.repeat(2 ** 20);

test('events arrive in order, and a failure is the last', async () => {
  const { url, released } = await serving(async ({ send }) => {
    await send('one', { text: 'a\nb' });
    void send('two', 2);
    throw new Error('It broke.');
  });
  const answer = await fetch(url);
  const events = serverEvents(await answer.text());
  expect(events.map(({ event }) => event)).toEqual(['one', 'two', 'error']);
  expect(events[0]?.data).toEqual({ text: 'a\nb' });
  expect(events[2]?.data).toMatchObject({ status: 500, code: 'internal' });
  await released;
});

test('what a client has not read is waited for, not heaped up', async () => {
  let sent = 0;
  const { port, released } = await serving(async ({ send, signal }) => {
    while (!signal.aborted && sent < 1000) {
      await send('part', MEBIBYTE);
      sent++;
    }
  });
  const socket = asking(port);
  await once(socket, 'readable');
  // The kernel takes some of it; then nothing moves until it is read.
  await expect.poll(async () => sent - (await later(() => sent)), { timeout: 10_000 }).toBe(0);
  expect(sent).toBeLessThan(100);
  const before = sent;
  socket.resume();
  await expect.poll(() => sent, { timeout: 10_000 }).toBeGreaterThan(before);
  socket.destroy();
  await released;
  expect(sent).toBeLessThan(1000);
});

const later = async (read: () => number): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return read();
};

test('a client that reads nothing is broken off, and the work for it ends', async () => {
  let aborted = false;
  const { port, released } = await serving(async ({ send, signal }) => {
    while (!signal.aborted) await send('part', MEBIBYTE);
    aborted = signal.aborted;
  }, 300);
  const socket = asking(port);
  await released;
  expect(aborted).toBe(true);
  const closed = once(socket, 'close').catch(() => {});
  socket.on('error', () => {});
  socket.resume();
  await closed;
});
