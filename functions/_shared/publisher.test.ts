import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CloudEvent, emit, toCloudEvent } from './events.ts';
import { httpPublisher, retryPause } from './publisher.ts';
import { readEvent } from './runtime/cloudevents.ts';
import { checkEvent } from './stage-key.ts';

interface Received {
  event: CloudEvent;
  headers: IncomingMessage['headers'];
}
let broker: Server;
let url: string;
let received: Received[];
let answer: (event: CloudEvent, response: ServerResponse, attempt: number) => void;

beforeAll(async () => {
  broker = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const event = readEvent(new Headers(request.headers as Record<string, string>), Buffer.concat(parts));
    received.push({ event, headers: request.headers });
    answer(event, response, received.filter((one) => one.event.id === event.id).length);
  }).listen(0, '127.0.0.1');
  await once(broker, 'listening');
  url = `http://127.0.0.1:${(broker.address() as AddressInfo).port}/ns/broker`;
});
afterAll(() => {
  broker.closeAllConnections();
  broker.close();
});
beforeEach(() => {
  received = [];
  answer = (_, response) => response.writeHead(202).end();
});

const event = (document: string, more = {}) =>
  toCloudEvent('gateway', emit('document.accepted', document, { document, version: 1, collection: 'c' }), {
    tenant: 'acme',
    ...more,
  });
const idsOf = (events: readonly CloudEvent[]) => events.map(({ id }) => id).sort();

test('events arrive whole, each once, with the extensions of a SinkBinding and their trace', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const events = Array.from({ length: 30 }, (_, n) => event(`ö ${n}`, { traceparent }));
  await httpPublisher(url, { extensions: { cluster: 'west' } }).publish(events);
  expect(idsOf(received.map((one) => one.event))).toEqual(idsOf(events));
  for (const { event: arrived, headers } of received) {
    const sent = events.find(({ id }) => id === arrived.id);
    expect(arrived).toEqual({ ...sent, cluster: 'west' });
    expect(headers.traceparent).toBe(traceparent);
  }
});

test('with a key each event proves itself, with what was added to it', async () => {
  const key = ['k'.repeat(32)];
  await httpPublisher(url, { key, extensions: { tenant: 'west' } }).publish([event('a')]);
  const [{ event: arrived }] = received as [Received];
  expect(arrived.tenant).toBe('west');
  expect(() => checkEvent(key, arrived)).not.toThrow();
  expect(() => checkEvent(key, { ...arrived, tenant: 'acme' })).toThrow();
});

test('nothing to say asks nobody', async () => {
  await httpPublisher('http://127.0.0.1:1').publish([]);
  expect(received).toEqual([]);
});

test.each([500, 502, 503, 404, 408, 409, 429])('%i is tried again, the same event', async (status) => {
  answer = (_, response, attempt) => response.writeHead(attempt < 3 ? status : 202).end('later');
  await httpPublisher(url).publish([event('a')]);
  expect(received.map((one) => one.event.id)).toEqual(Array(3).fill(event('a').id));
});

test.each([400, 401, 403, 413, 415, 422, 302])('%i is final: no second try', async (status) => {
  answer = (_, response) => response.writeHead(status, { location: '/elsewhere' }).end();
  await expect(httpPublisher(url).publish([event('a')])).rejects.toMatchObject({
    code: 'unprocessable',
    message: expect.stringContaining(String(status)),
  });
  expect(received).toHaveLength(1);
});

test('pauses double, are spread, are at least what the Broker asks for, and never too long', () => {
  const shortest = [1, 2, 3, 4].map((attempt) => retryPause(attempt, null, 0));
  expect(shortest).toEqual([100, 200, 400, 800]);
  expect([1, 2, 3, 4].map((attempt) => retryPause(attempt, null, 1))).toEqual([200, 400, 800, 1600]);
  expect(retryPause(1, '3')).toBe(3000);
  expect(retryPause(4, '1', 1)).toBe(1600);
  expect(retryPause(1, '3600')).toBe(5000);
  for (const strange of ['soon', 'Wed, 21 Oct 2065 07:28:00 GMT', '-5', ''])
    expect(retryPause(1, strange, 0)).toBe(100);
});

test('a connection that breaks or does not answer counts as a failure and is tried again', async () => {
  answer = (_, response, attempt) => {
    if (attempt === 1) response.destroy();
    if (attempt === 3) response.writeHead(202).end();
  };
  await httpPublisher(url, { timeout: 200 }).publish([event('a')]);
  expect(received).toHaveLength(3);
});

test('a Broker that never takes it makes the publisher unavailable after five tries', async () => {
  answer = (_, response) => response.writeHead(503).end();
  await expect(httpPublisher(url).publish([event('a')])).rejects.toMatchObject({ code: 'unavailable' });
  expect(received).toHaveLength(5);
}, 30_000);

test('one event that is refused ends the publishing of the rest', async () => {
  const events = Array.from({ length: 50 }, (_, n) => event(String(n)));
  answer = (arrived, response) => response.writeHead(arrived.subject === '0' ? 400 : 202).end();
  await expect(httpPublisher(url).publish(events)).rejects.toMatchObject({ code: 'unprocessable' });
  expect(received.length).toBeLessThan(50);
});

test('a caller who leaves ends the tries', async () => {
  const caller = new AbortController();
  answer = (_, response) => {
    response.writeHead(503).end();
    caller.abort();
  };
  await expect(httpPublisher(url).publish([event('a')], caller.signal)).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect(received).toHaveLength(1);
});
