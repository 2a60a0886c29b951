import { expect, test } from 'vitest';
import { seeded } from '../../test/faults/random.ts';
import { KnarrError } from './errors.ts';
import { turns } from './turns.ts';

/** Who got a turn, in order, and the ends of all turns that were got. */
function recorder(options: Parameters<typeof turns>[0]) {
  const shared = turns(options);
  const served: string[] = [];
  const ends: (() => void)[] = [];
  const refusals: KnarrError[] = [];
  const ask = (tenant: string, more: { signal?: AbortSignal; deadline?: number } = {}) =>
    shared.take({ tenant, ...more }).then(
      (end) => {
        served.push(tenant);
        ends.push(end);
      },
      (error: KnarrError) => void refusals.push(error),
    );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { shared, served, ends, refusals, ask, settle };
}

test('a tenant that comes later is served in turn, not behind all that came before it', async () => {
  const { served, ends, ask, settle } = recorder({ max: 2 });
  for (let n = 0; n < 10; n++) void ask('noisy');
  for (let n = 0; n < 3; n++) void ask('quiet');
  await settle();
  expect(served).toEqual(['noisy', 'noisy']);
  while (ends.length > 0) {
    ends.shift()?.();
    await settle();
  }
  expect(served.slice(2, 9)).toEqual(['quiet', 'noisy', 'quiet', 'noisy', 'quiet', 'noisy', 'noisy']);
  expect(served).toHaveLength(13);
});

test('who has its share is refused at once, who has less waits for the next turn', async () => {
  const { served, ends, refusals, ask, settle } = recorder({ max: 4, refuse: 'questions' });
  for (let n = 0; n < 6; n++) void ask('noisy');
  await settle();
  expect([served.length, refusals.length]).toEqual([4, 2]);
  expect(refusals[0]).toMatchObject({ code: 'too_many_requests', retryAfter: 1 });
  // Half of the turns are its share now, none of them taken.
  for (let n = 0; n < 3; n++) void ask('quiet');
  void ask('noisy');
  await settle();
  expect([served.length, refusals.length]).toEqual([4, 4]);
  for (const end of ends.splice(0)) end();
  await settle();
  expect(served).toEqual(['noisy', 'noisy', 'noisy', 'noisy', 'quiet', 'quiet']);
});

test('one tenant alone leaves some to those who come later', async () => {
  const { served, refusals, ask, settle } = recorder({ max: 16, refuse: 'questions' });
  for (let n = 0; n < 20; n++) void ask('noisy');
  await settle();
  expect([served.length, refusals.length]).toEqual([14, 6]);
  void ask('quiet');
  void ask('other');
  await settle();
  expect(served.slice(14)).toEqual(['quiet', 'other']);
});

test('what would be refused can be known before', async () => {
  const { shared, ends, ask, settle } = recorder({ max: 2, refuse: 'questions' });
  shared.check('a');
  void ask('a');
  shared.check('a');
  void ask('a');
  await settle();
  expect(() => shared.check('a')).toThrow('2 questions are being answered');
  shared.check('b');
  ends[0]?.();
  shared.check('a');
});

test('waiting ends when the caller goes and when its time is up, and takes nobody’s turn', async () => {
  const { served, ends, refusals, ask, settle } = recorder({ max: 1 });
  await ask('a');
  const leaving = new AbortController();
  const left = ask('b', { signal: leaving.signal });
  const late = ask('c', { deadline: Date.now() + 20 });
  const past = ask('d', { deadline: Date.now() - 1 });
  void ask('e');
  leaving.abort();
  await Promise.all([left, late, past]);
  expect(refusals.map(({ code }) => code).toSorted()).toEqual(['cancelled', 'unavailable', 'unavailable']);
  ends[0]?.();
  ends[0]?.();
  await settle();
  expect(served).toEqual(['a', 'e']);
});

test('who leaves makes nobody be forgotten that came after', async () => {
  const { served, ends, ask, settle } = recorder({ max: 1 });
  await ask('a');
  const leaving = new AbortController();
  void ask('a', { signal: leaving.signal });
  // All before the one that leaves notices.
  leaving.abort();
  ends[0]?.();
  void ask('a');
  void ask('a');
  await settle();
  expect(served).toEqual(['a', 'a']);
  ends[1]?.();
  await settle();
  expect(served).toEqual(['a', 'a', 'a']);
});

test('a failure of the work ends its turn', async () => {
  const shared = turns({ max: 1 });
  const failing = shared.run({ tenant: 'a' }, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await shared.run({ tenant: 'b' }, async () => 'done')).toBe('done');
});

test.each([undefined, 'questions'])('never more than there are, and none is lost (%s)', async (refuse) => {
  const seed = Number(process.env.KNARR_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`turns: seed ${seed}`);
  const random = seeded(seed);
  const max = 1 + random.below(8);
  const shared = turns({ max, ...(refuse !== undefined && { refuse }) });
  let [atWork, most, done, refused] = [0, 0, 0, 0];
  const pauses: (() => void)[] = [];
  const claims: Promise<void>[] = [];
  for (let n = 0; n < 2000; n++) {
    const caller = new AbortController();
    const claim = { tenant: `t${random.below(5)}`, signal: caller.signal };
    const work = async () => {
      most = Math.max(most, ++atWork);
      await new Promise<void>((resolve) => pauses.push(resolve));
      atWork--;
      done++;
    };
    claims.push(
      shared.run(claim, work).catch((thrown) => {
        expect(thrown).toBeInstanceOf(KnarrError);
        refused++;
      }),
    );
    if (random.chance(0.2)) caller.abort();
    while (random.chance(0.45)) pauses.splice(random.below(pauses.length), 1)[0]?.();
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
  }
  while (done + refused < 2000) {
    for (const resume of pauses.splice(0)) resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(claims);
  expect([atWork, most]).toEqual([0, max]);
  expect(done).toBeGreaterThan(0);
  // Everything is free again.
  const ends = await Promise.all(Array.from({ length: max }, (_, n) => shared.take({ tenant: `t${n}` })));
  for (const end of ends) end();
});
