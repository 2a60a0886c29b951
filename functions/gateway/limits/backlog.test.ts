import { expect, test, vi } from 'vitest';
import { backlogLimit } from './backlog.ts';

const full = { code: 'too_many_requests', retryAfter: 30 };

test('a tenant takes as much as it leaves, so that the next one finds room', async () => {
  const of = new Map([['bulk', 4]]);
  const limit = () => backlogLimit({ backlog: async () => of }, 10);
  await limit().check('bulk');
  of.set('bulk', 5);
  await expect(limit().check('bulk')).rejects.toMatchObject(full);
  await limit().check('other');
  of.set('more', 2);
  await limit().check('more');
  of.set('more', 3);
  await expect(limit().check('more')).rejects.toMatchObject(full);
  await limit().check('other');
});

test('is counted once for all who ask at a time, and again after a while', async () => {
  vi.useFakeTimers();
  try {
    let count = 0;
    const backlog = vi.fn(async () => new Map([['bulk', count]]));
    const { check } = backlogLimit({ backlog }, 2);
    await Promise.all(Array.from({ length: 9 }, () => check('bulk')));
    expect(backlog).toHaveBeenCalledTimes(1);
    count = 1;
    await check('bulk');
    vi.advanceTimersByTime(2000);
    await expect(check('bulk')).rejects.toMatchObject(full);
    expect(backlog).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});
