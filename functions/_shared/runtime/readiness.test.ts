import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KnarrError } from '../errors.ts';
import type { Logger } from '../stage.ts';
import { createReadiness } from './readiness.ts';

/** A store that answers when it is told to, or by itself after a while. */
function store(afterMs?: number) {
  const waiting: { resolve(): void; reject(thrown: unknown): void }[] = [];
  const said: string[] = [];
  const say = (_: object, message: string) => void said.push(message);
  const log = { info: say, warn: say } as Logger;
  let asked = 0;
  const ready = createReadiness(() => {
    asked++;
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      if (afterMs !== undefined) setTimeout(resolve, afterMs);
    });
  }, log);
  return { ready, said, asked: () => asked, next: () => waiting.shift() };
}

/** What a probe hears that waits so long, ms. */
async function probe(ready: () => Promise<void>, ms: number): Promise<string> {
  const heard = Promise.race([
    ready().then(
      () => 'ready',
      (thrown: Error) => thrown.message,
    ),
    new Promise<string>((resolve) => setTimeout(() => resolve('too late'), ms)),
  ]);
  await vi.advanceTimersByTimeAsync(ms);
  return heard;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([
  ['Knative probing aggressively', 100, 50],
  ['the activator', 300, 200],
  ['the kubelet', 1_000, 1_000],
])('a store that takes 250 ms is ready for %s', async (_, timeout, pause) => {
  const { ready } = store(250);
  const heard: string[] = [];
  for (let probes = 0; probes < 40; probes++) {
    heard.push(await probe(ready, timeout));
    await vi.advanceTimersByTimeAsync(pause);
  }
  const first = heard.indexOf('ready');
  expect(first).toBeLessThanOrEqual(2);
  expect(new Set(heard.slice(first))).toEqual(new Set(['ready']));
});

test('while it is good a probe is answered at once, and few of them ask the store', async () => {
  const { ready, asked, next } = store();
  const first = ready();
  next()?.resolve();
  await first;
  for (let second = 0; second < 60; second++) {
    await vi.advanceTimersByTimeAsync(1_000);
    // No timer runs meanwhile: whatever the answer waits for has happened already.
    await ready();
    next()?.resolve();
  }
  expect(asked()).toBeGreaterThan(15);
  expect(asked()).toBeLessThanOrEqual(21);
});

test('one check at a time, however long it takes and however many probes come', async () => {
  const { ready, asked, next } = store();
  const early = await Promise.all(Array.from({ length: 20 }, () => probe(ready, 3_000)));
  expect(new Set(early)).toEqual(new Set(['What this stage needs has not answered yet.']));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await probe(ready, 3_000)).toBe('What this stage needs has not answered in 5 s.');
  expect(asked()).toBe(1);
  next()?.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(await probe(ready, 0)).toBe('ready');
});

test('a store that goes is noticed, with its own words, and one that comes back at the next probe', async () => {
  const { ready, said, next } = store();
  const first = ready();
  next()?.resolve();
  await first;
  await vi.advanceTimersByTimeAsync(4_000);
  expect(await probe(ready, 0)).toBe('ready');
  next()?.reject(new KnarrError('unavailable', 'The database does not answer.'));
  await vi.advanceTimersByTimeAsync(0);
  const second = probe(ready, 300);
  next()?.reject(new KnarrError('unavailable', 'The database does not answer.'));
  expect(await second).toBe('The database does not answer.');
  const third = probe(ready, 300);
  next()?.resolve();
  expect(await third).toBe('ready');
  expect(said).toEqual(['not ready', 'ready again']);
});

test('a store that hangs after it was good is gone after a while', async () => {
  const { ready, next, said } = store();
  const first = ready();
  next()?.resolve();
  await first;
  await vi.advanceTimersByTimeAsync(4_000);
  expect(await probe(ready, 1_000)).toBe('ready');
  await vi.advanceTimersByTimeAsync(4_000);
  expect(await probe(ready, 3_000)).toBe('What this stage needs has not answered in 5 s.');
  expect(said).toEqual(['not ready']);
});

test('who asks once in a long while hears how it is now', async () => {
  const { ready, next } = store();
  const first = ready();
  next()?.resolve();
  await first;
  await vi.advanceTimersByTimeAsync(3_600_000);
  const second = probe(ready, 1_000);
  next()?.reject(new KnarrError('unavailable', 'The database does not answer.'));
  expect(await second).toBe('The database does not answer.');
});
