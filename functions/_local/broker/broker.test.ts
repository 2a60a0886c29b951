import { expect, test } from 'vitest';
import { writeBinary, writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { brokerOf, edge, event, replyWith, SINK, status } from './testing.ts';

const structured = (more = {}) => ({ method: 'POST', ...writeStructured(event(more)) });
const typed = (type: string, body = '[]') => ({ method: 'POST', body, headers: { 'content-type': type } });
const here = '/default/default';

test.each<[string, RequestInit, string, number]>([
  ['an event', { method: 'POST', ...writeBinary(event()) }, here, 202],
  ['a structured event', structured(), here, 202],
  ['an event nobody wants', structured({ type: 'nobody' }), here, 202],
  ['a path with a slash at its end', structured(), `${here}/`, 202],
  ['an unknown broker', structured(), '/default/other', 404],
  ['a broker of another namespace', structured(), '/other/default', 404],
  ['the root', structured(), '/', 404],
  ['no event', typed('application/json', '{}'), here, 400],
  ['a malformed event', typed('application/cloudevents+json', '{"specversion":"0.3"}'), here, 400],
  ['a batch', typed('application/cloudevents-batch+json'), here, 400],
  ['another event format', typed('application/cloudevents+xml', '<event/>'), here, 400],
  ['an event with its last hop', structured({ knativebrokerttl: 1 }), here, 400],
  ['an event without hops', structured({ knativebrokerttl: 0 }), here, 400],
  ['an event that is too large', structured({ data: 'x'.repeat(1024 * 1024) }), here, 413],
  ['GET', { method: 'GET' }, here, 405],
  ['GET at the root', { method: 'GET' }, '/', 405],
  ['PUT', { method: 'PUT', ...writeBinary(event()) }, here, 405],
  ['web hook validation', { method: 'OPTIONS' }, here, 200],
])('the ingress answers %s as Knative does', async (_, init, path, expected) => {
  const { broker } = brokerOf([]);
  const answer = await broker.fetch(new Request(`http://broker${path}`, init));
  expect(answer.status).toBe(expected);
  if (expected >= 400) expect(await answer.json()).toMatchObject({ detail: expect.any(String) });
  else expect(await answer.text()).toBe('');
  if (expected === 405) expect(answer.headers.get('allow')).toBe('POST, OPTIONS');
});

test('web hook validation says who may send how much', async () => {
  const { broker } = brokerOf([]);
  const answer = await broker.fetch(new Request(`http://broker${here}`, { method: 'OPTIONS' }));
  expect(Object.fromEntries(answer.headers)).toEqual({
    allow: 'POST, OPTIONS',
    'webhook-allowed-origin': '*',
    'webhook-allowed-rate': '*',
  });
});

test('filter attributes are all compared as strings; "" asks for presence', async () => {
  const { broker, post, names } = brokerOf([
    edge('type', { type: 'a' }),
    edge('both', { type: 'a', tenant: 'acme' }),
    edge('present', { tenant: '' }),
    edge('none', {}),
    edge('other', { type: 'b' }),
    edge('data', { data: 'text' }),
  ]);
  await post(event({ datacontenttype: 'text/plain', data: 'text' }));
  await broker.idle();
  expect(names().sort()).toEqual(['none', 'type']);
  await post(event({ id: '2', tenant: 'acme' }));
  await broker.idle();
  expect(names().slice(2).sort()).toEqual(['both', 'none', 'present', 'type']);
});

test('a structured integer or boolean is present and equals no string', async () => {
  const { broker, names } = brokerOf([
    edge('number', { n: '1' }),
    edge('truth', { yes: 'true' }),
    edge('present', { n: '', yes: '' }),
  ]);
  await broker.fetch(new Request(`http://broker${here}`, structured({ n: 1, yes: true })));
  await broker.idle();
  expect(names()).toEqual(['present']);
});

test('subscribers are asked for a reply, in the namespace of their Trigger, and never see the TTL', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', {})]);
  await post(event({ tenant: 'acme' }));
  await broker.idle();
  const [{ headers, event: seen } = { headers: new Headers(), event: undefined }] = delivered;
  expect(headers.get('prefer')).toBe('reply');
  expect(headers.get('kn-namespace')).toBe('default');
  expect(headers.get('ce-specversion')).toBe('1.0');
  expect(seen).toEqual(event({ tenant: 'acme' }));
});

test('of the headers only those of tracing and of Knative are passed on, also with a reply', async () => {
  const { broker, post, delivered } = brokerOf(
    [edge('first', { type: 'a' }), edge('second', { type: 'b' })],
    {
      first: () => replyWith(event({ type: 'b' }), { 'x-request-id': 'r2', 'set-cookie': 'no=1' }),
    },
  );
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await post(event(), {
    'x-request-id': 'r1',
    'knative-thing': 'k',
    'x-b3-traceid': 'b3',
    traceparent,
    authorization: 'Bearer secret',
    cookie: 'no=1',
  });
  await broker.idle();
  const [first, second] = delivered.map(({ headers }) => Object.fromEntries(headers));
  expect(first).toMatchObject({
    'x-request-id': 'r1',
    'knative-thing': 'k',
    'x-b3-traceid': 'b3',
    traceparent,
  });
  expect(second).toMatchObject({ 'x-request-id': 'r2' });
  for (const name of ['authorization', 'cookie', 'set-cookie']) {
    expect(first).not.toHaveProperty(name);
    expect(second).not.toHaveProperty(name);
  }
});

test('replies are matched against every Trigger, that of their author too, and each costs a hop', async () => {
  const { broker, post, names } = brokerOf([edge('loop', { type: 'a' }), edge('beside', { type: 'a' })], {
    loop: (received) => replyWith(event({ id: String(Number(received.id) + 1) })),
  });
  await post(event({ knativebrokerttl: 4 }));
  await broker.idle();
  expect(names().sort()).toEqual(['beside', 'beside', 'beside', 'loop', 'loop', 'loop']);
});

test('an author cannot give its reply more hops than are left', async () => {
  const { broker, post, names } = brokerOf([edge('loop', {})], {
    loop: (received) => replyWith(event({ id: `${received.id}+`, knativebrokerttl: 255 })),
  });
  await post(event({ knativebrokerttl: 3 }));
  await broker.idle();
  expect(names()).toHaveLength(2);
});

test('a reply without hops fails the event that it answers', async () => {
  const { broker, post, delivered } = brokerOf([edge('s', { type: 'a' }, SINK)], {
    s: () => replyWith(event({ id: '2', type: 'b' })),
  });
  await post(event({ knativebrokerttl: 2 }));
  await broker.idle();
  expect(delivered.at(-1)).toMatchObject({
    to: 'sink',
    event: {
      id: '1',
      knativeerrorcode: '400',
      knativeerrordest: expect.stringMatching(/\/default\/default$/),
    },
  });
  expect(broker.stats().s).toMatchObject({ delivered: 0, deadLettered: 1 });
});

test('a TTL that is no integer counts as none', async () => {
  const { broker, post, names } = brokerOf([edge('s', {})]);
  await post(event({ knativebrokerttl: 'soon' }));
  await broker.idle();
  expect(names()).toEqual(['s']);
});

test('a publisher in this process is told what an ingress would answer', async () => {
  const { broker } = brokerOf([]);
  await expect(broker.publisher('other').publish([event()])).rejects.toMatchObject({ code: 'not_found' });
  await expect(broker.publisher().publish([event({ knativebrokerttl: 1 })])).rejects.toMatchObject({
    code: 'malformed_event',
  });
});

/** A subscriber that answers when it is let. */
function held() {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { release, subscriber: () => gate.then(() => status(202)) };
}

test('a full queue holds producers back, then turns them away; other Triggers go on', async () => {
  const { release, subscriber } = held();
  const { broker, post, names } = brokerOf(
    [edge('slow', { type: 'a' }, {}, 1), edge('quick', { type: 'b' })],
    { slow: subscriber },
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

test('a producer that waits for room is let in when there is some', async () => {
  const { release, subscriber } = held();
  const { broker, post, names } = brokerOf(
    [edge('slow', {}, {}, 1)],
    { slow: subscriber },
    { limits: { events: 1 } },
  );
  await post(event({ id: '1' }));
  const waiting = post(event({ id: '2' }));
  release();
  expect((await waiting).status).toBe(202);
  await broker.idle();
  expect(names()).toEqual(['slow', 'slow']);
});

test('an event is queued for all of its Triggers or for none', async () => {
  const { release, subscriber } = held();
  const { broker, post, names } = brokerOf(
    [edge('slow', {}, {}, 1), edge('quick', {})],
    { slow: subscriber },
    { limits: { events: 1 }, admissionMs: 1 },
  );
  await post(event({ id: '1' }));
  expect((await post(event({ id: '2' }))).status).toBe(503);
  release();
  await broker.idle();
  expect(names().sort()).toEqual(['quick', 'slow']);
});

test('only so many producers wait for room; more are turned away at once', async () => {
  const { release, subscriber } = held();
  const { broker, post, names } = brokerOf(
    [edge('slow', {}, {}, 1)],
    { slow: subscriber },
    { limits: { events: 1 }, maxProducers: 2 },
  );
  await post(event({ id: '1' }));
  const waiting = [post(event({ id: '2' })), post(event({ id: '3' }))];
  const refused = await post(event({ id: '4' }));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  release();
  for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(202);
  await broker.idle();
  expect(names()).toEqual(['slow', 'slow', 'slow']);
});

test('a queue is bounded in bytes too, and takes one event that alone is larger', async () => {
  const { release, subscriber } = held();
  const { broker, post } = brokerOf(
    [edge('slow', {}, {}, 1)],
    { slow: subscriber },
    { limits: { bytes: 2000 }, admissionMs: 1 },
  );
  const large = { data: { text: 'x'.repeat(3000) } };
  expect((await post(event({ id: '1', ...large }))).status).toBe(202);
  expect((await post(event({ id: '2' }))).status).toBe(503);
  release();
  await broker.idle();
  expect(broker.stats().slow).toMatchObject({ waiting: 0, delivered: 1 });
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

test('closing lets what is under way end, and takes nothing more', async () => {
  const { release, subscriber } = held();
  const { broker, post, names } = brokerOf([edge('s', {})], { s: subscriber });
  await post(event());
  const closed = broker.close();
  expect((await post(event())).status).toBe(503);
  release();
  await closed;
  expect(names()).toEqual(['s']);
});

test('closing does not wait for ever', async () => {
  const { broker, post } = brokerOf([edge('s', {}, SINK)], { s: () => new Promise<Response>(() => {}) });
  await post(event());
  await broker.close(20);
  expect(broker.stats().s).toMatchObject({ waiting: 0, delivered: 0, deadLettered: 0 });
});
