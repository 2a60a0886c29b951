import { expect, test } from 'vitest';
import { KnarrError } from './errors.ts';
import { PassingFailure, retryAfterMs, retrying } from './retry.ts';

const options = { attempts: 3, firstPauseMs: 1, longestPauseMs: 2 };
const passing = (message: string) => new PassingFailure(new KnarrError('unavailable', message));

test('repeats what may pass, and gives the last error when it does not', async () => {
  let calls = 0;
  expect(
    await retrying(async () => {
      if (++calls < 3) throw passing('not yet');
      return calls;
    }, options),
  ).toBe(3);
  calls = 0;
  const failing = retrying(async () => {
    throw passing(`failure ${++calls}`);
  }, options);
  await expect(failing).rejects.toMatchObject({ code: 'unavailable', message: 'failure 3' });
});

test('does not repeat anything else', async () => {
  let calls = 0;
  const work = async () => {
    calls++;
    throw new Error('for good');
  };
  await expect(retrying(work, options)).rejects.toThrow('for good');
  expect(calls).toBe(1);
});

test('begins no attempt after the deadline, and none after an abort', async () => {
  let calls = 0;
  const work = async () => {
    calls++;
    throw passing('late');
  };
  await expect(retrying(work, { ...options, deadline: Date.now() })).rejects.toThrow('late');
  expect(calls).toBe(1);
  const controller = new AbortController();
  const waiting = retrying(work, {
    ...options,
    firstPauseMs: 60_000,
    longestPauseMs: 60_000,
    signal: controller.signal,
  });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect(calls).toBe(2);
});

test('reads Retry-After in seconds only', () => {
  expect(retryAfterMs(new Headers({ 'retry-after': '30' }))).toBe(30_000);
  expect(retryAfterMs(new Headers({ 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }))).toBeUndefined();
  expect(retryAfterMs(new Headers())).toBeUndefined();
});
