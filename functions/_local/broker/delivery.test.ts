import { expect, test } from 'vitest';
import { brokerOf, edge, event, replyWith, SINK, status } from './testing.ts';

const exponential = { backoffPolicy: 'exponential', backoffDelay: 100 } as const;
const linear = { backoffPolicy: 'linear', backoffDelay: 100 } as const;

test.each([404, 408, 409, 429, 500, 501, 502, 503, 504, 599])(
  '%i is retried, exponentially from the delay on',
  async (code) => {
    const { broker, post, names, pauses } = brokerOf([edge('s', {}, { retry: 3, ...exponential })], {
      s: (_, attempt) => status(attempt < 4 ? code : 202),
    });
    await post(event());
    await broker.idle();
    expect(names()).toHaveLength(4);
    expect(pauses).toEqual([100, 200, 400]);
    expect(broker.stats().s).toMatchObject({ delivered: 1, retried: 3, lost: 0 });
  },
);

test.each([
  301, 302, 307, 400, 401, 402, 403, 405, 406, 410, 411, 412, 413, 414, 415, 422, 424, 425, 426, 428, 431,
])('%i is not retried and goes to the dead letter sink', async (code) => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, { retry: 5, ...exponential, ...SINK })], {
    s: () => status(code, 'no'),
  });
  await post(event({ tenant: 'acme' }));
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 'sink']);
  expect(delivered[1]?.event).toEqual({
    ...event({ tenant: 'acme' }),
    knativeerrordest: 'http://s/',
    knativeerrorcode: String(code),
    knativeerrordata: Buffer.from('no').toString('base64'),
  });
  expect(broker.stats().s).toMatchObject({ delivered: 0, retried: 0, deadLettered: 1, lost: 0 });
});

test('retries are as many as the delivery says, then the event is dead-lettered with the last status', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, { retry: 2, ...SINK })], {
    s: (_, attempt) => status(500 + attempt),
  });
  await post(event());
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 's', 's', 'sink']);
  expect(delivered[3]?.event.knativeerrorcode).toBe('503');
});

test('linear backoff retries first at once', async () => {
  const { broker, post, pauses } = brokerOf([edge('s', {}, { retry: 4, ...linear })], {
    s: () => status(500),
  });
  await post(event());
  await broker.idle();
  expect(pauses).toEqual([100, 200, 300]);
});

test('without a backoff retries do not pause, and Retry-After changes no pause', async () => {
  const busy = () => new Response(null, { status: 429, headers: { 'retry-after': '60' } });
  const { broker, post, pauses, names } = brokerOf(
    [edge('plain', {}, { retry: 2 }), edge('backoff', {}, { retry: 2, ...exponential })],
    { plain: busy, backoff: busy },
  );
  await post(event());
  await broker.idle();
  expect(names()).toHaveLength(6);
  expect(pauses).toEqual([100, 200]);
});

test('a subscriber that cannot be reached is tried again, then counts as 500', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, { retry: 2, ...SINK })], {
    s: () => {
      throw new TypeError('connection refused');
    },
  });
  await post(event());
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 's', 's', 'sink']);
  const letter = delivered[3]?.event;
  expect(letter?.knativeerrorcode).toBe('500');
  expect(Buffer.from(String(letter?.knativeerrordata), 'base64').toString()).toBe(
    'dispatch error: connection refused',
  );
});

test('an attempt that takes too long is aborted and tried again, each attempt with its own time', async () => {
  const signals: AbortSignal[] = [];
  const { broker, post, names } = brokerOf(
    [edge('s', {}, { timeout: 20, retry: 1 })],
    {},
    {
      async deliver(_, request) {
        signals.push(request.signal);
        return signals.length === 1 ? new Promise<Response>(() => {}) : status(202);
      },
    },
  );
  await post(event());
  await broker.idle();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  expect(names()).toEqual([]);
  expect(broker.stats().s).toMatchObject({ delivered: 1, retried: 1 });
});

test.each<[string, () => Response]>([
  ['JSON', () => Response.json({ ok: true })],
  ['text', () => new Response('thanks')],
  ['a malformed event', () => new Response('{}', { headers: { 'ce-id': '1', 'ce-specversion': '1.0' } })],
  [
    'a batch',
    () => new Response('[]', { headers: { 'content-type': 'application/cloudevents-batch+json' } }),
  ],
])('a 2xx answer that is %s is a failure (502), and is retried', async (_, answer) => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, { retry: 1, ...SINK })], { s: answer });
  await post(event());
  await broker.idle();
  expect(delivered.map(({ to }) => to)).toEqual(['s', 's', 'sink']);
  expect(delivered[2]?.event.knativeerrorcode).toBe('502');
});

test.each([200, 202, 204])('an empty %i is a delivery without a reply', async (code) => {
  const { broker, post, names } = brokerOf([edge('s', {}, SINK)], { s: () => status(code) });
  await post(event());
  await broker.idle();
  expect(names()).toEqual(['s']);
  expect(broker.stats().s).toMatchObject({ delivered: 1, lost: 0 });
});

test('the error data of a dead letter is at most 1,024 base64 characters', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, SINK)], {
    s: () => status(400, 'x'.repeat(5000)),
  });
  await post(event());
  await broker.idle();
  expect(String(delivered[1]?.event.knativeerrordata)).toHaveLength(1024);
});

test('a dead letter says nothing of an earlier failure, and has no TTL', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {}, SINK)], { s: () => status(422) });
  const earlier = { knativeerrordest: 'http://old/', knativeerrorcode: 500, knativeerrordata: 'b2xk' };
  await post(event({ ...earlier, knativebrokerttl: 7 }));
  await broker.idle();
  expect(delivered[1]?.event).toEqual({ ...event(), knativeerrordest: 'http://s/', knativeerrorcode: '422' });
});

test('the dead letter sink is tried again like a subscriber, and what it replies is discarded', async () => {
  const { broker, post, names, pauses } = brokerOf(
    [edge('s', { type: 'a' }, { retry: 2, ...exponential, ...SINK }), edge('others', { type: 'b' })],
    {
      s: () => status(400),
      sink: (_, attempt) => (attempt < 3 ? status(503) : replyWith(event({ id: '2', type: 'b' }))),
    },
  );
  await post(event());
  await broker.idle();
  expect(names()).toEqual(['s', 'sink', 'sink', 'sink']);
  expect(pauses).toEqual([100, 200]);
  expect(broker.stats().s).toMatchObject({ deadLettered: 1, lost: 0 });
});

test('an event that nobody takes, not even a sink, is counted as lost', async () => {
  const { broker, post } = brokerOf([edge('s', {}), edge('t', {}, SINK)], {
    s: () => status(400),
    t: () => status(400),
    sink: () => status(400),
  });
  await post(event());
  await broker.idle();
  expect(broker.stats().s).toMatchObject({ lost: 1, deadLettered: 0 });
  expect(broker.stats().t).toMatchObject({ lost: 1, deadLettered: 0 });
});

test('a retry that waits does not hold up what is behind it', async () => {
  const order: string[] = [];
  const { broker, post } = brokerOf(
    [edge('s', {}, { retry: 1, ...exponential }, 1)],
    {
      s: (received, attempt) => {
        order.push(received.id);
        return status(received.id === 'bad' && attempt === 1 ? 500 : 202);
      },
    },
    { pause: () => new Promise((resolve) => setTimeout(resolve, 50)) },
  );
  await post(event({ id: 'bad' }));
  await post(event({ id: 'good' }));
  await broker.idle();
  expect(order).toEqual(['bad', 'good', 'bad']);
});

test('poison among good events is dead-lettered, and every good one is delivered once', async () => {
  const { broker, delivered } = brokerOf([edge('s', {}, { retry: 3, ...exponential, ...SINK }, 1)], {
    s: (received) => status(received.data === 'poison' ? 500 : 202),
  });
  const events = Array.from({ length: 50 }, (_, n) =>
    event({ id: String(n), datacontenttype: 'text/plain', data: n % 10 === 3 ? 'poison' : 'good' }),
  );
  await broker.publisher().publish(events);
  await broker.idle();
  const to = (name: string, data: string) =>
    delivered.filter((one) => one.to === name && one.event.data === data).length;
  expect([to('s', 'good'), to('s', 'poison'), to('sink', 'poison'), to('sink', 'good')]).toEqual([
    45, 20, 5, 0,
  ]);
  expect(broker.stats().s).toMatchObject({ delivered: 45, deadLettered: 5, lost: 0, waiting: 0 });
});
