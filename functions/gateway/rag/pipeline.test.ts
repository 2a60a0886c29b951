import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Passage, SearchInput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { Call } from '../../_shared/stage.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import { ask, type QuestionStages, search } from './pipeline.ts';
import { Question, SearchRequest } from './question.ts';

// Stages here are late, broken or stale on purpose, which the real ones are only by chance.
const passage = (chunk: number): Passage => ({
  document: 'd',
  version: 1,
  title: null,
  uri: null,
  chunk,
  range: [0, 4],
  headings: [],
  metadata: {},
  text: 'text',
  score: 1 / (chunk + 1),
});
const working: QuestionStages = {
  embed: async () => ({ model: 'm', dimensions: 1, vectors: ['AACAPw=='], tokens: [3], truncated: [] }),
  search: async ({ mode, limit }) => ({
    hits: Array.from({ length: limit }, (_, chunk) => ({ document: 'd', version: 1, chunk, score: 1 })),
    mode,
    degraded: [],
  }),
  fetch: async ({ hits }) => ({ passages: hits.map(({ chunk }) => passage(chunk)), dropped: 0 }),
  generate: async ({ passages }) => ({
    answer: 'Yes.',
    answered: true,
    citations: [{ source: passages.length - 1, start: 0, end: 4 }],
    model: 'extractive',
    degraded: [],
  }),
};
const options = (stages: Partial<QuestionStages> = {}, defaultBudgetMs = 10_000) => ({
  stages: { ...working, ...stages },
  log: createLogger('silent'),
  defaultBudgetMs,
});
const call = (signal = new AbortController().signal): Call => ({ tenant: 't', principals: ['*'], signal });
const question = (fields: object = {}) => Question.parse({ question: 'Is it?', ...fields });
const fails = (error: KnarrError) => async () => {
  throw error;
};
const never = () => new Promise<never>(() => {});

test('asks each stage in turn and times it', async () => {
  const answer = await ask(question({ limit: 3 }), call(), options());
  expect(answer).toMatchObject({ answer: 'Yes.', answered: true, degraded: [], citations: [{ source: 2 }] });
  expect(answer.sources).toHaveLength(3);
  expect(Object.keys(answer.timings)).toEqual(['embed', 'search', 'fetch', 'generate', 'total']);
});

test('asks for more hits than wanted, since fetch drops the stale ones', async () => {
  let asked = 0;
  const stale = options({
    search: async (input, step) => {
      asked = input.limit;
      return working.search(input, step);
    },
    fetch: async ({ hits }) => ({ passages: hits.slice(5).map(({ chunk }) => passage(chunk)), dropped: 5 }),
  });
  expect((await search(SearchRequest.parse({ query: 'q', limit: 10 }), call(), stale)).passages).toHaveLength(
    10,
  );
  expect(asked).toBe(15);
});

test('asks once more, with more, when stale hits leave too few', async () => {
  /** So many hits at the top are stale. */
  const behind = async (stale: number, budget_ms?: number, slow?: QuestionStages['search']) => {
    const asked: number[] = [];
    const found = await search(
      SearchRequest.parse({ query: 'q', limit: 10, ...(budget_ms !== undefined && { budget_ms }) }),
      call(),
      options({
        search: async (input, step) => {
          asked.push(input.limit);
          const search = asked.length > 1 ? (slow ?? working.search) : working.search;
          const output = await search(input, step);
          return { ...output, hits: output.hits.slice(0, 600) };
        },
        fetch: async ({ hits }) => ({
          passages: hits.slice(stale).map(({ chunk }) => passage(chunk)),
          dropped: Math.min(stale, hits.length),
        }),
      }),
    );
    return [asked, found.passages.length, found.degraded];
  };
  expect(await behind(5)).toEqual([[15], 10, []]);
  expect(await behind(15)).toEqual([[15, 500], 10, []]);
  expect(await behind(495)).toEqual([[15, 500], 5, ['search.stale']]);
  const late = fails(new KnarrError('deadline_exceeded', 'late'));
  expect(await behind(8, 5000, late)).toEqual([[15, 500], 7, ['search.stale']]);
});

test.each([
  ['fails', fails(new KnarrError('unavailable', 'busy'))],
  ['is late', never],
])('a hybrid search goes on without its vector when embed %s', async (_, embed) => {
  let searched: SearchInput | undefined;
  const stages = options({
    embed,
    search: async (input, step) => {
      searched = input;
      return working.search(input, step);
    },
  });
  const answer = await ask(question({ budget_ms: 200 }), call(), stages);
  expect(answer).toMatchObject({ answer: 'Yes.', degraded: ['embed'] });
  expect(searched).toMatchObject({ mode: 'lexical' });
  expect(searched?.vector).toBeUndefined();
  await expect(ask(question({ mode: 'dense' }), call(), options({ embed }, 100))).rejects.toMatchObject({
    retryable: true,
  });
});

test('a late or failing generate leaves the sources', async () => {
  for (const generate of [never, fails(new KnarrError('upstream_failed', 'no'))]) {
    const answer = await ask(question({ budget_ms: 100 }), call(), options({ generate }));
    expect(answer).toMatchObject({ answer: null, answered: false, citations: [], degraded: ['generate'] });
    expect(answer.sources).toHaveLength(5);
  }
  const wrong = options({ generate: fails(new KnarrError('unprocessable', 'no')) });
  await expect(ask(question(), call(), wrong)).rejects.toMatchObject({ code: 'unprocessable' });
});

test('within a stated budget, what is late is named; without one it is an error', async () => {
  let generated = false;
  const generate: QuestionStages['generate'] = async (input, step) => {
    generated = true;
    return working.generate(input, step);
  };
  const late = await ask(question({ budget_ms: 50 }), call(), options({ search: never, generate }));
  expect(late).toMatchObject({ answer: null, sources: [], degraded: ['search', 'fetch', 'generate'] });
  const stale = await ask(question({ budget_ms: 50 }), call(), options({ fetch: never, generate }));
  expect(stale).toMatchObject({ answer: null, sources: [], degraded: ['fetch', 'generate'] });
  expect(generated).toBe(false);
  await expect(ask(question(), call(), options({ search: never }, 50))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
});

test("a caller's earlier deadline wins, and each stage is told to end before it", async () => {
  const deadline = Date.now() + 1000;
  const told: number[] = [];
  const listening = options({
    search: async (input, step) => {
      told.push(step.deadline ?? Number.POSITIVE_INFINITY);
      return working.search(input, step);
    },
    generate: async (input, step) => {
      told.push(step.deadline ?? Number.POSITIVE_INFINITY);
      return working.generate(input, step);
    },
  });
  await ask(question({ budget_ms: 60_000 }), { ...call(), deadline }, listening);
  expect(told).toHaveLength(2);
  expect(Math.max(...told)).toBeLessThan(deadline);
  const past = { ...call(), deadline: Date.now() - 1 };
  await expect(ask(question(), past, options())).rejects.toMatchObject({ code: 'deadline_exceeded' });
});

test('when the caller goes, the running stage is told and the rest never begins', async () => {
  const caller = new AbortController();
  let stopped = false;
  let searched = false;
  const stages = options({
    embed: async (_, { signal }) => {
      await sleep(10_000, undefined, { signal }).catch(() => {
        stopped = true;
      });
      return never();
    },
    search: async (input, step) => {
      searched = true;
      return working.search(input, step);
    },
  });
  const asked = ask(question(), call(caller.signal), stages);
  setTimeout(() => caller.abort(), 10);
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  await sleep(0);
  expect([stopped, searched]).toEqual([true, false]);
});

test('says so when the model could not read the whole question', async () => {
  const embed: QuestionStages['embed'] = async (input, step) => ({
    ...(await working.embed(input, step)),
    truncated: [0],
  });
  expect((await ask(question(), call(), options({ embed }))).degraded).toEqual(['embed.truncated']);
});

test('answered from what other stages cut, the answer says what', async () => {
  const stages = options({
    search: async (input, step) => ({ ...(await working.search(input, step)), degraded: ['lexical'] }),
    generate: async (input, step) => ({ ...(await working.generate(input, step)), degraded: ['generate'] }),
  });
  expect(await ask(question(), call(), stages)).toMatchObject({
    answer: 'Yes.',
    degraded: ['lexical', 'generate'],
  });
});
