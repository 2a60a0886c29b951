import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type CloudEvent, EVENTS } from '../../../_shared/events.ts';
import { readEvent } from '../../../_shared/runtime/cloudevents.ts';
import { createOutput } from '../output.ts';
import { type PublishOptions, publish } from './publish.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A Broker's ingress that keeps what it is given; answers are taken from `statuses` first, then 202. */
async function broker(statuses: number[] = []) {
  const events: CloudEvent[] = [];
  const url = await listen(
    createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const status = statuses.shift() ?? 202;
      if (status === 202) {
        events.push(
          readEvent(
            new Headers(request.headers as Record<string, string>),
            new Uint8Array(Buffer.concat(parts)),
          ),
        );
      }
      response.writeHead(status).end();
    }),
  );
  return { url, events };
}
/** A stream that gives these bodies, one for each connection, the last one again and again. */
const stream = (bodies: (string | number)[]) => {
  let at = 0;
  return listen(
    createServer((_, response) => {
      const body = bodies[Math.min(at++, bodies.length - 1)];
      if (typeof body === 'number') response.writeHead(body).end();
      else response.writeHead(200).end(body);
    }),
  );
};

/** A file at an address, with when it was changed; `reads` says how its readers were answered. */
async function file() {
  const served = { text: '', modified: new Date(0), reads: [] as number[] };
  const url = await listen(
    createServer(({ headers }, response) => {
      const modified = served.modified.toUTCString();
      const isKnown = headers['if-modified-since'] === modified;
      served.reads.push(isKnown ? 304 : 200);
      response.writeHead(isKnown ? 304 : 200, { 'last-modified': modified }).end(isKnown ? '' : served.text);
    }),
  );
  const write = (text: string) => {
    served.text = text;
    served.modified = new Date(served.modified.getTime() + 1000);
  };
  return { url, reads: served.reads, write };
}
/** Publishes until `isDone`, which is asked after each event and each reading. */
async function published(from: string, options: Partial<PublishOptions>, isDone: () => boolean) {
  const done = new AbortController();
  const watch = setInterval(() => isDone() && done.abort(), 5);
  const signal = AbortSignal.any([done.signal, AbortSignal.timeout(20_000)]);
  try {
    expect(await publish(output, from, { sink: '', tenant: 'default', ...options }, signal)).toBe(0);
    expect(done.signal.aborted).toBe(true);
  } finally {
    clearInterval(watch);
  }
}
const textOf = ({ data }: CloudEvent) => (data as { text: string }).text;

const notes: string[] = [];
const output = { ...createOutput(true), data: () => {}, note: (line: string) => void notes.push(line) };
const line = (document: string, text = 'Knarr.') => `${JSON.stringify({ document, text })}\n`;

test('every line becomes an event of the tenant, in order; what is no document is told and passed over', async () => {
  const { url, events } = await broker();
  const from = await stream([
    `${line('a', 'one')}not json\n${line('a', 'two')}\n{"text":"nobody's"}\n${line('b', 'x'.repeat(70_000))}${line('c').trim()}`,
  ]);
  notes.length = 0;
  const code = await publish(
    output,
    from,
    { sink: url, tenant: 'acme', once: true },
    AbortSignal.timeout(20_000),
  );
  expect(code).toBe(1);
  expect(
    events.map(({ subject, tenant, data }) => [subject, tenant, (data as { text: string }).text]),
  ).toEqual([
    ['a', 'acme', 'one'],
    ['a', 'acme', 'two'],
    ['c', 'acme', 'Knarr.'],
  ]);
  for (const event of events) {
    expect(event.type).toBe('dev.knarr.document.submitted.v1');
    expect(EVENTS['document.submitted'].safeParse(event.data).success).toBe(true);
  }
  expect(notes).toEqual([
    'line 2: not JSON',
    expect.stringContaining('line 5: document:'),
    expect.stringContaining('line 6: longer than'),
  ]);
});

test('a Broker that is not ready, and a stream that fails, are asked again; what was published is not published again', async () => {
  const { url, events } = await broker([503, 404]);
  const from = await stream([500, line('a') + line('b'), 404, line('a') + line('b') + line('c')]);
  await published(from, { sink: url, every: '1ms' }, () => events.length === 3);
  expect(events.map(({ subject }) => subject)).toEqual(['a', 'b', 'c']);
});

test('a line that the Broker refuses for good holds up no other, and is published when it takes it', async () => {
  const { url, events } = await broker([202, 413]);
  const from = await file();
  from.write(line('a') + line('b') + line('c'));
  notes.length = 0;
  await published(from.url, { sink: url, every: '1ms' }, () => events.length === 3);
  expect(events.map(({ subject }) => subject)).toEqual(['a', 'c', 'b']);
  expect(notes).toEqual([expect.stringContaining('line 2: The Broker refused')]);
});

test('a file is read again every so often, and published where it has changed, also back to what it was', async () => {
  const { url, events } = await broker();
  const from = await file();
  const steps = [line('a', 'one') + line('b'), line('a', 'two') + line('b'), line('a', 'one') + line('b')];
  let seen = 0;
  /** Writes the next step once the one before was read, and found unchanged after that. */
  const isDone = () => {
    if (from.reads.at(-1) !== 304 || from.reads.length === seen) return false;
    seen = from.reads.length;
    const text = steps.shift();
    if (text) from.write(text);
    return text === undefined;
  };
  from.write(steps.shift() ?? '');
  await published(from.url, { sink: url, every: '1ms' }, isDone);
  expect(events.map(textOf)).toEqual(['one', 'Knarr.', 'two', 'one']);
  expect(new Set(events.map(({ id }) => id)).size).toBe(4);
  expect(from.reads.filter((status) => status === 200)).toHaveLength(3);
  const times = events.map(({ time }) => Date.parse(time ?? ''));
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
});

test('a file that was read to its end waits for its time', async () => {
  const { url, events } = await broker();
  const from = await file();
  from.write(line('a'));
  const start = Date.now();
  await published(from.url, { sink: url, every: '1h' }, () => Date.now() - start > 1000);
  expect([events.length, from.reads]).toEqual([1, [200]]);
});

test('begun anew, the same file gives the same events, and a changed one others', async () => {
  const { url, events } = await broker();
  const from = await file();
  const once = { sink: url, tenant: 'default', once: true };
  for (const isChanged of [true, false, true]) {
    if (isChanged) from.write(line('a'));
    await publish(output, from.url, once, AbortSignal.timeout(20_000));
  }
  const [first, second, third] = events.map(({ id }) => id);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});

test('read once, a stream that cannot be read is an error', async () => {
  const from = await stream([503]);
  await expect(
    publish(output, from, { sink: from, tenant: 'default', once: true }, AbortSignal.timeout(20_000)),
  ).rejects.toThrow('cannot be read');
});

test('a time that is none is refused', async () => {
  await expect(
    publish(output, '-', { sink: '', tenant: 'default', every: 'often' }, AbortSignal.timeout(20_000)),
  ).rejects.toThrow('--every often');
});
