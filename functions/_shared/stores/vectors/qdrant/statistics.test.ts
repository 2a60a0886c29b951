import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { idf } from '../lexical/sparse.ts';
import type { Count } from './count.ts';
import { qdrantStatistics } from './statistics.ts';

const scope = { tenant: 't', collection: 'c', generation: 'g', dimensions: 4 };
const TERM = 7;

/** Milliseconds: counts grow old when a test says so. */
let now = 0;
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => now));
afterEach(() => void vi.restoreAllMocks());

const turn = () => new Promise(setImmediate);

/** A server that has counted when it is told to, and estimates at once. */
function slowServer(estimate = 40_000) {
  const waiting = { texts: [] as ((points: number) => void)[], term: [] as ((points: number) => void)[] };
  const asked = { texts: 0, term: 0, estimates: 0 };
  const count: Count = async (_name, must, { exact = true } = {}) => {
    const what = must.some((one) => 'key' in one && one.key === 'terms') ? 'term' : 'texts';
    if (!exact && what === 'texts') throw new Error('The number of texts is no estimate.');
    asked[exact ? what : 'estimates']++;
    return exact ? new Promise((resolve) => waiting[what].push(resolve)) : estimate;
  };
  const { weigh, forget } = qdrantStatistics(count);
  const weightOf = async (signal = new AbortController().signal) =>
    (await weigh('n', scope, { indices: [TERM], values: [1] }, { signal })).values[0];
  /** Waits until a count is asked for, and tells its result. */
  const tell = async (what: 'texts' | 'term', points: number) => {
    while (waiting[what].length === 0) await turn();
    waiting[what].shift()?.(points);
  };
  return { asked, weightOf, forget, tell };
}

test('a question does not wait for a long count of a term: an estimate stands in, and the next one has it', async () => {
  const { asked, weightOf, forget, tell } = slowServer();
  const first = weightOf();
  await tell('texts', 100_000);
  expect(await first).toBeCloseTo(idf(100_000, 40_000), 9);
  // Whoever comes meanwhile begins no other.
  expect(await weightOf()).toBeCloseTo(idf(100_000, 40_000), 9);
  expect(asked).toEqual({ texts: 1, term: 1, estimates: 2 });
  await tell('term', 50_000);
  expect(await weightOf()).toBeCloseTo(idf(100_000, 50_000), 9);
  // Points that this process writes hardly change it.
  forget();
  expect(await weightOf()).toBeCloseTo(idf(100_000, 50_000), 9);
  expect(asked).toEqual({ texts: 1, term: 1, estimates: 2 });
});

test('the number of texts is waited for once, and then the last one holds until it is counted anew', async () => {
  const { asked, weightOf, tell } = slowServer();
  const first = weightOf();
  // Longer than any question waits for a term.
  while (asked.estimates < 1) await turn();
  await tell('texts', 100_000);
  await tell('term', 50_000);
  await first;
  now += 300_000;
  expect(await weightOf()).toBeCloseTo(idf(100_000, 40_000), 9);
  expect(asked).toMatchObject({ texts: 2, term: 2 });
  await tell('texts', 200_000);
  await tell('term', 50_000);
  expect(await weightOf()).toBeCloseTo(idf(200_000, 50_000), 9);
  // Too old to stand for anything.
  now += 700_000;
  const last = weightOf();
  while (asked.texts < 3) await turn();
  await tell('texts', 300_000);
  expect(await last).toBeCloseTo(idf(300_000, 40_000), 9);
});

test('the texts of one are counted while very many other counts are under way', async () => {
  const slow: ((points: number) => void)[] = [];
  const count: Count = async (_name, must, { exact = true } = {}) => {
    const all = JSON.stringify(must);
    if (!exact) return 40_000;
    if (all.includes('"c"') && !all.includes('terms')) return 100_000;
    return new Promise((resolve) => slow.push(resolve));
  };
  const { weigh } = qdrantStatistics(count);
  const of = (collection: string, ...indices: number[]) =>
    weigh('n', { ...scope, collection }, { indices, values: indices.map(() => 1) }, {});
  const others = Array.from({ length: 80 }, (_, n) => of(`other ${n}`, n));
  while (slow.length < 80) await turn();
  expect((await of('c', TERM)).values[0]).toBeCloseTo(idf(100_000, 40_000), 9);
  for (const resolve of slow) resolve(1);
  await Promise.all(others);
});

test('what other tenants have changes an estimate, and no weight', async () => {
  interface Points {
    tenant: string;
    collection: string;
    terms: number[];
    number: number;
  }
  const all: Points[] = [
    { ...scope, terms: [TERM], number: 2_000 },
    { ...scope, terms: [], number: 1_000 },
  ];
  const holds = (points: Points, { key, match }: any) =>
    key === 'terms'
      ? points.terms.includes(match.value)
      : points[key as 'tenant' | 'collection'] === match.value;
  const sum = (these: Points[]) => these.reduce((total, { number }) => total + number, 0);
  /** As the server does it: as if the conditions had nothing to do with each other. */
  const estimate = (must: unknown[]) =>
    must.reduce(
      (so_far: number, one) => (so_far * sum(all.filter((p) => holds(p, one)))) / sum(all),
      sum(all),
    );
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  const count: Count = async (_name, must, { exact = true } = {}) => {
    if (!exact) {
      asked.push(estimate(must));
      return estimate(must);
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
    return sum(all.filter((points) => must.every((one) => holds(points, one))));
  };
  /** In a process of its own; the count of the term comes too late. */
  const weight = async () => {
    const asking = qdrantStatistics(count).weigh('n', scope, { indices: [TERM], values: [1] }, {});
    const before = asked.length;
    while (asked.length === before) await turn();
    waiting.splice(0, 1)[0]?.();
    return (await asking).values[0];
  };
  const texts = [scope.tenant, scope.collection].map((value, n) => ({
    key: n === 0 ? 'tenant' : 'collection',
    match: { value },
  }));
  const [alone, before] = [estimate(texts), await weight()];
  expect(before).toBeCloseTo(idf(3_000, 2_000), 9);
  waiting.length = 0;
  all.push({ tenant: 'u', collection: 'c', terms: [], number: 20_000 });
  all.push({ tenant: 'u', collection: 'd', terms: [], number: 20_000 });
  expect(estimate(texts)).not.toBeCloseTo(alone, 0);
  expect(await weight()).toBe(before);
});

test('a small count is waited for, however long the server takes', async () => {
  const { asked, weightOf, tell } = slowServer(2);
  const asking = weightOf();
  while (asked.estimates < 1) await turn();
  await tell('texts', 20);
  await tell('term', 1);
  expect(await asking).toBeCloseTo(idf(20, 1), 9);
});

test('a small count is made anew when this process has changed points', async () => {
  const { asked, weightOf, forget, tell } = slowServer(1);
  const told = async (texts: number, term: number) => {
    const asking = weightOf();
    await tell('texts', texts);
    await tell('term', term);
    expect(await asking).toBeCloseTo(idf(texts, term), 9);
  };
  await told(3, 1);
  expect(await weightOf()).toBeCloseTo(idf(3, 1), 9);
  expect(asked).toMatchObject({ texts: 1, term: 1 });
  forget();
  await told(4, 2);
});

test('whoever has gone gets no answer, and leaves the count to the next one', async () => {
  const { asked, weightOf, tell } = slowServer(2);
  const caller = new AbortController();
  const asking = weightOf(caller.signal);
  while (asked.texts + asked.term < 2) await turn();
  caller.abort();
  await expect(asking).rejects.toMatchObject({ code: 'cancelled' });
  await tell('texts', 10);
  await tell('term', 2);
  expect(await weightOf()).toBeCloseTo(idf(10, 2), 9);
  expect(asked).toMatchObject({ texts: 1, term: 1 });
});

test('of a long question the terms said most often are counted; the others weigh as the median of what is found', async () => {
  const asked: number[] = [];
  const count: Count = async (_name, must) => {
    const term = must.map((one: any) => one.key === 'terms' && one.match.value).find((one) => one !== false);
    if (term === undefined) return 1_000;
    asked.push(term);
    return term >= 900 ? term - 899 : 0;
  };
  // Most are in no text; three that are said twice are in 1, 2 and 100.
  const indices = [...Array.from({ length: 500 }, (_, n) => n), 900, 901, 999];
  const values = indices.map((term) => (term >= 900 ? 2 : 1));
  const found = await qdrantStatistics(count).weigh('n', scope, { indices, values }, {});
  expect(asked.length).toBe(128);
  expect(asked.slice(0, 3)).toEqual([900, 901, 999]);
  expect(found.indices).toEqual(indices);
  expect(found.values.slice(-3)).toEqual([1, 2, 100].map((holding) => 2 * idf(1_000, holding)));
  expect(found.values[0]).toBeCloseTo(idf(1_000, 0), 9);
  expect(found.values[499]).toBeCloseTo(idf(1_000, 2), 9);
});
