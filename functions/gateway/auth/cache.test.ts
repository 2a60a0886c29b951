import { expect, test } from 'vitest';
import { verifiedCache } from './cache.ts';
import type { Identity } from './identity.ts';
import { refused, type Verified } from './verify.ts';

const identity = (actor: string): Identity => ({
  tenant: 't',
  principals: ['*'],
  actor,
  role: 'reader',
  isOperator: false,
});

function counting(answer: (token: string) => Verified | Promise<Verified>, ttlMs = 60_000) {
  const verified: string[] = [];
  const cache = verifiedCache(ttlMs, async (token) => {
    verified.push(token);
    return answer(token);
  });
  return { cache, verified, ask: (token: string) => cache.verify(`hash of ${token}`, token) };
}
const forever = Number.POSITIVE_INFINITY;
const holds = (token: string) => ({ identity: identity(token), until: forever });

test('what holds is verified once, also when it is asked many times at once', async () => {
  const { verified, ask } = counting(holds);
  await Promise.all([ask('a'), ask('a'), ask('b')]);
  expect(await ask('a')).toMatchObject({ identity: { actor: 'a' } });
  expect(verified).toEqual(['a', 'b']);
});

test('what does not hold, or could not be asked, is verified each time', async () => {
  let isAway = true;
  const { verified, ask } = counting((token) => {
    if (isAway) throw new Error('away');
    return token === 'good' ? holds(token) : refused('no');
  });
  await expect(ask('good')).rejects.toThrow('away');
  isAway = false;
  await ask('good');
  await ask('good');
  await ask('bad');
  await ask('bad');
  expect(verified).toEqual(['good', 'good', 'bad', 'bad']);
});

test('nothing is taken for good beyond its own end', async () => {
  const { verified, ask } = counting((token) => ({ identity: identity(token), until: Date.now() - 1 }));
  await ask('a');
  await ask('a');
  expect(verified).toHaveLength(2);
});

test('what is forgotten is verified again, even what was being verified meanwhile', async () => {
  let answer: (verified: Verified) => void = () => {};
  const { cache, verified, ask } = counting((token) =>
    token === 'slow' ? new Promise((resolve) => (answer = resolve)) : holds(token),
  );
  await ask('a');
  await ask('b');
  const slow = ask('slow');
  cache.forget('a');
  answer(holds('slow'));
  await slow;
  for (const token of ['a', 'b', 'slow']) void ask(token);
  expect(verified).toEqual(['a', 'b', 'slow', 'a', 'slow']);
});
