import { expect, test } from 'vitest';
import { planRuns } from './batch.ts';
import { createLanes } from './lanes.ts';

test.each([
  { name: 'alike', lengths: [10, 10, 10], tokenBudget: 20, runs: [[0, 1], [2]] },
  { name: 'one too long', lengths: [1000], tokenBudget: 20, runs: [[0]] },
  { name: 'none', lengths: [], tokenBudget: 20, runs: [] },
  {
    name: 'outliers',
    lengths: [200, 4, 5, 190, 5, 4],
    tokenBudget: 512,
    runs: [
      [1, 5, 2, 4],
      [3, 0],
    ],
  },
])('runs of $name', ({ lengths, tokenBudget, runs }) => {
  expect(planRuns(lengths, { tokenBudget })).toEqual(runs);
});

test('at most 32 texts make a run, and one where neighbours would change the result', () => {
  const lengths = new Array(100).fill(1);
  expect(planRuns(lengths, { tokenBudget: 1e6 }).map((run) => run.length)).toEqual([32, 32, 32, 4]);
  expect(planRuns(lengths, { tokenBudget: 1e6, maxBatch: 1 })).toHaveLength(100);
});

test('every text is in one run, no run is too wide or too mixed', () => {
  const lengths = Array.from({ length: 500 }, (_, i) => 1 + ((i * 7919) % 256));
  const runs = planRuns(lengths, { tokenBudget: 1024 });
  expect(runs.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
  for (const run of runs) {
    const own = run.map((index) => lengths[index] as number);
    const longest = Math.max(...own);
    expect(longest * run.length).toBeLessThanOrEqual(1024);
    expect((run.length * longest ** 2) / own.reduce((sum, n) => sum + n * n, 0)).toBeLessThanOrEqual(1.5);
  }
});

test('urgent work goes first, but what waits gets its turn', () => {
  const lanes = createLanes<string>();
  lanes.add('bulk', false);
  for (let i = 0; i < 40; i++) lanes.add(`urgent ${i}`, true);
  const order = Array.from({ length: 41 }, () => lanes.take());
  expect(order[0]).toBe('urgent 0');
  expect(order.indexOf('bulk')).toBe(16);
  expect(lanes.take()).toBeUndefined();
});
