import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type CloudEvent, EVENTS } from '../../../_shared/events.ts';
import { readEvent } from '../../../_shared/runtime/cloudevents.ts';
import { createOutput } from '../output.ts';
import { publish } from './publish.ts';

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
async function broker(statuses: number[] = [], onEvent: () => void = () => {}) {
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
        onEvent();
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

test('a Broker that is not ready is asked again; a stream that ends is opened again, its repeats have the same id', async () => {
  const done = new AbortController();
  const { url, events } = await broker([503, 404], () => {
    if (events.length === 4) done.abort();
  });
  const from = await stream([500, line('a') + line('b'), 404, line('a') + line('b')]);
  const code = await publish(
    output,
    from,
    { sink: url, tenant: 'default' },
    AbortSignal.any([done.signal, AbortSignal.timeout(30_000)]),
  );
  expect(code).toBe(0);
  expect(events.slice(0, 4).map(({ subject }) => subject)).toEqual(['a', 'b', 'a', 'b']);
  expect(new Set(events.slice(0, 4).map(({ id }) => id)).size).toBe(2);
});

test('read once, a stream that cannot be read is an error', async () => {
  const from = await stream([503]);
  await expect(
    publish(output, from, { sink: from, tenant: 'default', once: true }, AbortSignal.timeout(20_000)),
  ).rejects.toThrow('cannot be read');
});
