import { expect, test } from 'vitest';
import type { CloudEvent } from '../../_shared/events.ts';
import { readEvent, writeBinary, writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import type { Edge, ResolvedDelivery, Topology } from '../wiring/topology.ts';
import { type BrokerOptions, createBroker } from './broker.ts';

const event = (more: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: '1.0',
  id: '1',
  source: '/test',
  type: 'a',
  datacontenttype: 'application/json',
  data: { n: 1 },
  ...more,
});
const edge = (
  name: string,
  attributes: Record<string, string>,
  delivery: Partial<ResolvedDelivery> = {},
  concurrency = 0,
): Edge => ({
  name,
  namespace: 'default',
  broker: 'default',
  attributes,
  subscriber: `http://${name}/`,
  service: name,
  concurrency,
  delivery: { retry: 0, ...delivery },
  at: { filter: '', subscriber: '' },
});

interface Delivered {
  to: string;
  event: CloudEvent;
  headers: Headers;
}

/** A broker over these edges whose subscribers are functions; records what was delivered and how long retries would pause. */
function brokerOf(
  edges: Edge[],
  subscribers: Record<string, (event: CloudEvent, attempt: number) => Response | Promise<Response>> = {},
  options: Partial<BrokerOptions> = {},
) {
  const delivered: Delivered[] = [];
  const pauses: number[] = [];
  const topology: Topology = { brokers: [{ name: 'default', namespace: 'default' }], edges, services: [] };
  const broker = createBroker(topology, {
    log: createLogger('silent'),
    pause: async (ms) => void pauses.push(ms),
    async deliver(url, request) {
      const received = readEvent(request.headers, new Uint8Array(await request.arrayBuffer()));
      const to = new URL(url).host;
      delivered.push({ to, event: received, headers: request.headers });
      const attempt = delivered.filter((one) => one.to === to && one.event.id === received.id).length;
      return subscribers[to]?.(received, attempt) ?? new Response(null, { status: 202 });
    },
    ...options,
  });
  const post = (sent: CloudEvent) =>
    broker.fetch(new Request('http://broker/default/default', { method: 'POST', ...writeBinary(sent) }));
  return { broker, delivered, pauses, post, names: () => delivered.map(({ to }) => to) };
}
const status = (code: number, body: string | null = null) => new Response(body, { status: code });

test.each([
  ['an event', { method: 'POST', ...writeBinary(event()) }, '/default/default', 202],
  ['a structured event', { method: 'POST', ...writeStructured(event()) }, '/default/default', 202],
  ['an unknown broker', { method: 'POST', ...writeBinary(event()) }, '/default/other', 404],
  ['the root', { method: 'POST', ...writeBinary(event()) }, '/', 404],
  ['no event', { method: 'POST', body: '{}' }, '/default/default', 400],
  [
    'a batch',
    { method: 'POST', body: '[]', headers: { 'content-type': 'application/cloudevents-batch+json' } },
    '/default/default',
    415,
  ],
  [
    'an event without hops',
    { method: 'POST', ...writeBinary(event({ knativebrokerttl: 1 })) },
    '/default/default',
    400,
  ],
  ['another method', { method: 'GET' }, '/default/default', 405],
  ['web hook validation', { method: 'OPTIONS' }, '/default/default', 200],
])('the ingress answers %s as Knative does', async (_, init, path, expected) => {
  const { broker } = brokerOf([]);
  const answer = await broker.fetch(new Request(`http://broker${path}`, init));
  expect(answer.status).toBe(expected);
  if (expected === 405) expect(answer.headers.get('allow')).toBe('POST, OPTIONS');
  if (init.method === 'OPTIONS') expect(answer.headers.get('webhook-allowed-rate')).toBe('*');
});

test('filter attributes are all compared as strings; "" asks for presence', async () => {
  const { broker, post, names } = brokerOf([
    edge('type', { type: 'a' }),
    edge('both', { type: 'a', tenant: 'acme' }),
    edge('present', { tenant: '' }),
    edge('none', {}),
    edge('other', { type: 'b' }),
  ]);
  await post(event());
  await broker.idle();
  expect(names().sort()).toEqual(['none', 'type']);
  await post(event({ id: '2', tenant: 'acme' }));
  await broker.idle();
  expect(names().slice(2).sort()).toEqual(['both', 'none', 'present', 'type']);
});

test('a structured integer extension never matches a string filter', async () => {
  const { broker, names } = brokerOf([edge('number', { n: '1' })]);
  await broker.fetch(
    new Request('http://broker/default/default', { method: 'POST', ...writeStructured(event({ n: 1 })) }),
  );
  await broker.idle();
  expect(names()).toEqual([]);
});

test('subscribers are asked for a reply and never see the TTL; replies lose a hop and are fed back', async () => {
  const { broker, post, delivered } = brokerOf(
    [edge('first', { type: 'a' }), edge('second', { type: 'b' })],
    {
      first: () => {
        const { headers, body } = writeBinary(event({ id: '2', type: 'b' }));
        return new Response(body, { headers });
      },
    },
  );
  await post(event());
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['first', 'second']);
  expect(delivered[0]?.headers.get('prefer')).toBe('reply');
  expect(delivered[0]?.headers.get('kn-namespace')).toBe('default');
  expect(delivered.every(({ event: seen }) => seen.knativebrokerttl === undefined)).toBe(true);
});

test('an event that causes itself ends when its hops are used up', async () => {
  const { broker, post, names } = brokerOf([edge('loop', { type: 'a' })], {
    loop: (received) => {
      const { headers, body } = writeBinary(event({ id: String(Number(received.id) + 1) }));
      return new Response(body, { headers });
    },
  });
  await post(event({ knativebrokerttl: 6 }));
  await broker.idle();
  expect(names()).toHaveLength(5);
});

test.each([404, 408, 409, 429, 500, 503])('%i is retried, exponentially from the delay on', async (code) => {
  const { broker, post, names, pauses } = brokerOf(
    [edge('s', {}, { retry: 3, backoffPolicy: 'exponential', backoffDelay: 100 })],
    {
      s: (_, attempt) => status(attempt < 4 ? code : 202),
    },
  );
  await post(event());
  await broker.idle();
  expect(names()).toHaveLength(4);
  expect(pauses).toEqual([100, 200, 400]);
  expect(broker.stats().s).toMatchObject({ delivered: 1, retried: 3, lost: 0 });
});

test('linear backoff retries first at once', async () => {
  const { broker, post, pauses } = brokerOf(
    [edge('s', {}, { retry: 3, backoffPolicy: 'linear', backoffDelay: 100 })],
    { s: () => status(500) },
  );
  await post(event());
  await broker.idle();
  expect(pauses).toEqual([100, 200]);
});

test.each([301, 400, 401, 413, 422])('%i is not retried and goes to the dead letter sink', async (code) => {
  const sink = 'http://sink/';
  const { broker, post, delivered } = brokerOf([edge('s', {}, { retry: 5, deadLetterSink: sink })], {
    s: () => status(code, 'no'),
  });
  await post(event({ tenant: 'acme' }));
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 'sink']);
  expect(delivered[1]?.event).toMatchObject({
    id: '1',
    tenant: 'acme',
    data: { n: 1 },
    knativeerrordest: 'http://s/',
    knativeerrorcode: String(code),
  });
  expect(Buffer.from(String(delivered[1]?.event.knativeerrordata), 'base64').toString()).toBe('no');
  expect(broker.stats().s).toMatchObject({ delivered: 0, deadLettered: 1, lost: 0 });
});

test('the error data of a dead letter is at most 1,024 base64 characters', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, { deadLetterSink: 'http://sink/' })], {
    s: () => status(400, 'x'.repeat(5000)),
  });
  await post(event());
  await broker.idle();
  expect(String(delivered[1]?.event.knativeerrordata)).toHaveLength(1024);
});

test('a 2xx answer that is no event is a failure, and is retried', async () => {
  const { broker, post, delivered } = brokerOf(
    [edge('s', {}, { retry: 1, deadLetterSink: 'http://sink/' })],
    {
      s: () => new Response('{"ok":true}', { headers: { 'content-type': 'application/json' } }),
    },
  );
  await post(event());
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 's', 'sink']);
  expect(delivered[2]?.event.knativeerrorcode).toBe('502');
});

test('an attempt that takes too long is aborted and counts as no answer', async () => {
  let aborted = false;
  const { broker, post, delivered } = brokerOf(
    [edge('s', {}, { timeout: 20, deadLetterSink: 'http://sink/' })],
    {},
    {
      deliver: async (url, request) => {
        if (new URL(url).host === 'sink') {
          delivered.push({
            to: 'sink',
            event: readEvent(request.headers, new Uint8Array(await request.arrayBuffer())),
            headers: request.headers,
          });
          return status(202);
        }
        request.signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise(() => {});
      },
    },
  );
  await post(event());
  await broker.idle();
  expect(aborted).toBe(true);
  expect(delivered[0]?.event.knativeerrorcode).toBe('-1');
});

test('without a sink a failed event is counted as lost', async () => {
  const { broker, post } = brokerOf([edge('s', {})], { s: () => status(400) });
  await post(event());
  await broker.idle();
  expect(broker.stats().s).toMatchObject({ lost: 1 });
});

test('a full queue holds producers back, then turns them away; other triggers go on', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { broker, post, names } = brokerOf(
    [edge('slow', { type: 'a' }, {}, 1), edge('quick', { type: 'b' })],
    { slow: async () => held.then(() => status(202)) },
    { limits: { events: 2 }, admissionMs: 30 },
  );
  expect((await post(event({ id: '1' }))).status).toBe(202);
  expect((await post(event({ id: '2' }))).status).toBe(202);
  const refused = await post(event({ id: '3' }));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect((await post(event({ id: '4', type: 'b' }))).status).toBe(202);
  release();
  await broker.idle();
  expect(names().sort()).toEqual(['quick', 'slow', 'slow']);
});

test('a subscriber gets no more events at once than its Service takes', async () => {
  let running = 0;
  let most = 0;
  const { broker } = brokerOf([edge('s', {}, {}, 3)], {
    s: async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return status(202);
    },
  });
  await broker.publisher().publish(Array.from({ length: 20 }, (_, id) => event({ id: String(id) })));
  await broker.idle();
  expect(most).toBe(3);
});

test('a retry that waits does not hold up what is behind it', async () => {
  const order: string[] = [];
  const { broker, post } = brokerOf(
    [edge('s', {}, { retry: 1, backoffPolicy: 'exponential', backoffDelay: 50 }, 1)],
    {
      s: (received, attempt) => {
        order.push(received.id);
        return status(received.id === 'bad' && attempt === 1 ? 500 : 202);
      },
    },
    { pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
  );
  await post(event({ id: 'bad' }));
  await post(event({ id: 'good' }));
  await broker.idle();
  expect(order).toEqual(['bad', 'good', 'bad']);
});

test('closing lets what is under way end, and takes nothing more', async () => {
  const { broker, post, names } = brokerOf([edge('s', {})]);
  await post(event());
  await broker.close();
  expect(names()).toEqual(['s']);
  expect((await post(event())).status).toBe(503);
});
