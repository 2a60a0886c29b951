import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { KnarrError } from '../errors.ts';
import type { Call } from '../stage.ts';
import { byDeadline, callScope, readCall, writeCall } from './call.ts';

const never = new AbortController().signal;
const requestWith = (headers: Record<string, string>) => new Request('http://stage/', { headers });

test('a call that is written is read as it was', () => {
  const call: Call = {
    tenant: 'tenant ü/1',
    principals: ['user:a,b', 'group:Ægir 100%', '*'],
    deadline: Date.parse('2030-01-02T03:04:05.678Z'),
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    tracestate: 'vendor=value,other=1',
    signal: never,
  };
  for (const key of [undefined, ['none'], ['k'.repeat(32)]])
    expect({ ...readCall(requestWith(writeCall(call, key)), key), signal: never }).toEqual(call);
});

test('a request that says nothing is a call of everybody in the default tenant, without end or trace', () => {
  expect(readCall(requestWith({}))).toMatchObject({
    tenant: 'default',
    principals: ['*'],
    deadline: undefined,
    traceparent: undefined,
  });
});

test.each([
  ['knarr-deadline', 'soon', 'Knarr-Deadline is not an RFC 3339 instant'],
  ['knarr-deadline', '1700000000', 'Knarr-Deadline is not an RFC 3339 instant'],
  ['knarr-tenant', '%ff', 'percent-encoded'],
  ['knarr-principals', 'a,%', 'percent-encoded'],
])('%s: %s is refused', (name, value, message) => {
  expect(() => readCall(requestWith({ [name]: value }))).toThrow(message);
});

// Trace Context, "traceparent Header Field Values" and "Versioning of traceparent".
const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
test.each([
  [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`],
  [` 00-${TRACE}-${SPAN}-00 `, `00-${TRACE}-${SPAN}-00`],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, `00-${TRACE}-${SPAN}-01`],
  [`00-${TRACE}-${SPAN}-01-more`, undefined],
  [`ff-${TRACE}-${SPAN}-01`, undefined],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
  [`00-${'0'.repeat(32)}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${'0'.repeat(16)}-01`, undefined],
  [`00-${TRACE}-${SPAN}`, undefined],
  ['', undefined],
])('traceparent %s', (header, read) => {
  const call = readCall(requestWith({ traceparent: header, tracestate: 'vendor=1' }));
  expect([call.traceparent, call.tracestate]).toEqual([read, read && 'vendor=1']);
});

test('a scope ends at its deadline, with its caller, or at once when that has left', async () => {
  const late = callScope(never, Date.now() + 20);
  await expect.poll(() => late.signal.aborted).toBe(true);
  expect(late.signal.reason).toMatchObject({ name: 'TimeoutError' });

  const caller = new AbortController();
  const scope = callScope(caller.signal, undefined);
  expect(scope.signal.aborted).toBe(false);
  caller.abort('a server gives a string as the reason');
  expect(KnarrError.from(scope.signal.reason)).toMatchObject({ code: 'cancelled' });

  const reason = new Error('of its own');
  expect(callScope(AbortSignal.abort(reason), undefined).signal.reason).toBe(reason);
});

test('a scope that has ended holds nothing of its caller', () => {
  const caller = new AbortController();
  const scope = callScope(caller.signal, Date.now() + 1_000_000);
  expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
  scope.end();
  expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  caller.abort();
  expect(scope.signal.aborted).toBe(false);
});

test('a deadline too far for a timer is none', () => {
  const scope = callScope(never, Date.now() + 2 ** 40);
  expect(scope.signal.aborted).toBe(false);
  scope.end();
});

test('work by a deadline gives its outcome, and a TimeoutError when it goes on for too long', async () => {
  const soon = () => Date.now() + 50;
  expect(await byDeadline(Promise.resolve(1), soon())).toBe(1);
  expect(await byDeadline(Promise.resolve(1), undefined)).toBe(1);
  await expect(byDeadline(Promise.reject(new Error('failed')), soon())).rejects.toThrow('failed');
  await expect(byDeadline(new Promise(() => {}), soon())).rejects.toMatchObject({ name: 'TimeoutError' });
});
