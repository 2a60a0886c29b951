import { expect, test } from 'vitest';
import { idf } from '../lexical/sparse.ts';
import type { Count } from './count.ts';
import { qdrantStatistics } from './statistics.ts';

const scope = { tenant: 't', collection: 'c', generation: 'g', dimensions: 4 };
const TERM = 7;

/** A server that has counted when it is told to, and estimates at once. */
function slowServer(estimate = { texts: 90_000, term: 40_000 }) {
  const waiting: ((points: number) => void)[] = [];
  const asked = { exact: 0, estimates: 0 };
  const count: Count = async (_name, must, { exact = true } = {}) => {
    asked[exact ? 'exact' : 'estimates']++;
    if (!exact)
      return must.some((one) => 'key' in one && one.key === 'terms') ? estimate.term : estimate.texts;
    return new Promise((resolve) => waiting.push(resolve));
  };
  const { weigh, forget } = qdrantStatistics(count);
  const weightOf = async (signal = new AbortController().signal) =>
    (await weigh('n', scope, { indices: [TERM], values: [1] }, { signal })).values[0];
  return { waiting, asked, weightOf, forget };
}

test('a question does not wait for a long count: an estimate stands in, and the next one has it', async () => {
  const { waiting, asked, weightOf, forget } = slowServer();
  expect(await weightOf()).toBeCloseTo(idf(90_000, 40_000), 9);
  // Whoever comes meanwhile begins no other.
  expect(await weightOf()).toBeCloseTo(idf(90_000, 40_000), 9);
  expect(asked).toEqual({ exact: 2, estimates: 4 });
  waiting[0]?.(100_000);
  waiting[1]?.(50_000);
  expect(await weightOf()).toBeCloseTo(idf(100_000, 50_000), 9);
  // Points that this process writes hardly change it.
  forget();
  expect(await weightOf()).toBeCloseTo(idf(100_000, 50_000), 9);
  expect(asked).toEqual({ exact: 2, estimates: 4 });
});

test('a small count is waited for, however long the server takes', async () => {
  const { waiting, asked, weightOf } = slowServer({ texts: 900, term: 2 });
  const asking = weightOf();
  while (asked.estimates < 2) await new Promise(setImmediate);
  waiting[0]?.(20);
  waiting[1]?.(1);
  expect(await asking).toBeCloseTo(idf(20, 1), 9);
});

test('a small count is made anew when this process has changed points', async () => {
  const { waiting, asked, weightOf, forget } = slowServer();
  const first = weightOf();
  while (waiting.length < 2) await new Promise(setImmediate);
  for (const [n, points] of [3, 1].entries()) waiting[n]?.(points);
  expect(await first).toBeCloseTo(idf(3, 1), 9);
  expect(await weightOf()).toBeCloseTo(idf(3, 1), 9);
  expect(asked.exact).toBe(2);
  forget();
  const second = weightOf();
  while (waiting.length < 4) await new Promise(setImmediate);
  for (const points of [4, 2]) waiting[waiting.length - (points === 4 ? 2 : 1)]?.(points);
  expect(await second).toBeCloseTo(idf(4, 2), 9);
});

test('whoever has gone gets no answer, and leaves the count to the next one', async () => {
  const { waiting, weightOf } = slowServer();
  const caller = new AbortController();
  const asking = weightOf(caller.signal);
  while (waiting.length < 2) await new Promise(setImmediate);
  caller.abort();
  await expect(asking).rejects.toMatchObject({ name: 'AbortError' });
  waiting[0]?.(10);
  waiting[1]?.(2);
  expect(await weightOf()).toBeCloseTo(idf(10, 2), 9);
});
