import { CloudEvent } from 'cloudevents';
import { expect, test } from 'vitest';
import { createLogger } from '../telemetry/log.ts';
import { type HostContext, hostFunction } from './host.ts';

const log = createLogger('silent');
const hosted = (handle: (context: HostContext, input: unknown) => unknown, more = {}) =>
  hostFunction({ handle, ...more }, { log });
const post = (body: string, headers: Record<string, string> = {}, query = '') =>
  new Request(`http://function/${query}`, { method: 'POST', body, headers });
const event = (data: unknown) =>
  post(JSON.stringify(data), {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/test',
    'ce-type': 'asked',
  });

test.each<[string, unknown, number, string, string | null]>([
  ['nothing', undefined, 204, '', null],
  ['an empty string', '', 204, '', null],
  ['a string', 'hello', 200, 'hello', 'text/plain; charset=utf-8'],
  ['an object', { a: 1 }, 200, '{"a":1}', 'application/json; charset=utf-8'],
  ['an array', [1], 200, '[1]', 'application/json; charset=utf-8'],
  [
    'an answer of its own',
    { statusCode: 201, headers: { 'Content-Type': 'text/csv' }, body: 'a,b' },
    201,
    'a,b',
    'text/csv',
  ],
])('a function that returns %s', async (_, returned, status, body, type) => {
  const { fetch } = await hosted(() => returned);
  const answer = await fetch(post('{}', { 'content-type': 'application/json' }));
  expect([answer.status, await answer.text(), answer.headers.get('content-type')]).toEqual([
    status,
    body,
    type,
  ]);
});

test('an event goes in with its data, and an event comes out in binary mode', async () => {
  const { fetch } = await hosted((context, input) => {
    expect(input).toBe(context.cloudevent);
    expect(context.body).toEqual({ q: 1 });
    const response = context.cloudEventResponse({ a: 2 }).id('7').type('answered').source('/f');
    return response.version('1.0').response();
  });
  const answer = await fetch(event({ q: 1 }));
  expect(answer.headers.get('ce-type')).toBe('answered');
  expect(await answer.json()).toEqual({ a: 2 });
});

test("an event of the cloudevents package is an event, too, and a bare function is a module's handle", async () => {
  const { fetch } = await hostFunction(
    () => new CloudEvent({ id: '1', type: 't', source: '/s', data: { a: 1 } }),
    { log },
  );
  const answer = await fetch(event({}));
  expect([answer.headers.get('ce-type'), await answer.json()]).toEqual(['t', { a: 1 }]);
});

test('the context says how the function was called', async () => {
  let seen: HostContext | undefined;
  const { fetch } = await hosted((context) => {
    seen = context;
  });
  await fetch(
    post('a=1&b=2', { 'content-type': 'application/x-www-form-urlencoded', x: 'y' }, '?name=n&log=no'),
  );
  expect(seen).toMatchObject({
    body: { a: '1', b: '2' },
    rawBody: 'a=1&b=2',
    query: { name: 'n', log: 'no' },
    name: 'n',
    method: 'POST',
    contentType: 'application/x-www-form-urlencoded',
  });
  expect(seen?.headers.x).toBe('y');
  expect(seen?.log.info).toBeTypeOf('function');
});

test.each([
  ['a status of its own', Object.assign(new Error('no tea'), { statusCode: 418 }), 418, 'no tea'],
  [
    "Node's error code",
    Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
    500,
    'the log has the cause',
  ],
])('a failure with %s', async (_, error, status, detail) => {
  const { fetch } = await hosted(() => {
    throw error;
  });
  const answer = await fetch(post('{}', { 'content-type': 'application/json' }));
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ status, detail: expect.stringContaining(detail) });
});

test.each([
  ['a batch', post('[]', { 'content-type': 'application/cloudevents-batch+json' }), 415],
  ['an event without type', post('', { 'ce-id': '1', 'ce-specversion': '1.0', 'ce-source': '/s' }), 400],
  ['broken JSON', post('{', { 'content-type': 'application/json' }), 400],
  ['a body over the limit', post('x'.repeat(2 ** 20 + 1)), 413],
  ['another method', new Request('http://function/', { method: 'DELETE' }), 405],
  ['another path', new Request('http://function/x'), 404],
])('%s never reaches the function', async (_, request, status) => {
  let calls = 0;
  const { fetch } = await hosted(() => {
    calls++;
  });
  expect((await fetch(request)).status).toBe(status);
  expect(calls).toBe(0);
});

test('life cycle, health and CORS are the module’s own', async () => {
  const calls: string[] = [];
  const readiness = Object.assign(
    () => {
      throw new Error('warming up');
    },
    { path: '/ready' },
  );
  const running = await hosted(() => 'hi', {
    init: () => void calls.push('init'),
    shutdown: () => void calls.push('shutdown'),
    readiness,
    cors: () => ['https://a.example'],
  });
  const get = (path: string, headers = {}) =>
    running.fetch(new Request(`http://function${path}`, { headers }));
  expect((await get('/ready')).status).toBe(503);
  expect((await get('/health/liveness')).status).toBe(200);
  expect((await get('/', { origin: 'https://a.example' })).headers.get('access-control-allow-origin')).toBe(
    'https://a.example',
  );
  expect((await get('/', { origin: 'https://b.example' })).headers.has('access-control-allow-origin')).toBe(
    false,
  );
  expect(await (await get('/metrics')).text()).toContain('knarr_stage_duration_seconds');
  await running.close();
  expect(calls).toEqual(['init', 'shutdown']);
  expect((await get('/')).status).toBe(503);
});
