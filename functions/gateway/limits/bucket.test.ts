import { expect, test } from 'vitest';
import { bucketOf, policyOf } from './bucket.ts';

test.each([
  [10, 10, 1],
  [1, 1, 1],
  [0.5, 1, 2],
  [2.5, 5, 2],
  [0.1, 1, 10],
  [0.001, 1, 60],
  [1 / 3, 1, 3],
  [Math.PI, 188, 60],
])('%d a second is %d in %d s', (perSecond, size, seconds) => {
  expect(policyOf(perSecond)).toEqual({ size, windowMs: seconds * 1000 });
});

test('gives out its size at once, then evenly, and never saves up more', () => {
  const bucket = bucketOf({ size: 4, windowMs: 2000 }, 0);
  const taken = (now: number, times: number) =>
    Array.from({ length: times }, () => bucket.take(now)).filter(Boolean).length;
  expect(taken(0, 10)).toBe(4);
  expect(bucket.state(0)).toEqual({ left: 0, fullMs: 2000, nextMs: 500 });
  expect(taken(499, 10)).toBe(0);
  expect(taken(500, 10)).toBe(1);
  expect(bucket.state(1250)).toEqual({ left: 1, fullMs: 1250, nextMs: 0 });
  expect(taken(1_000_000, 10)).toBe(4);
  // A clock that was put back gives nothing twice.
  expect(taken(0, 10)).toBe(0);
});

test('over a long time it lets through just what the policy says', () => {
  const bucket = bucketOf({ size: 7, windowMs: 3000 }, 0);
  let taken = 0;
  for (let now = 0; now <= 300_000; now += 13) if (bucket.take(now)) taken++;
  expect(taken).toBeGreaterThanOrEqual(700);
  expect(taken).toBeLessThanOrEqual(707);
});
