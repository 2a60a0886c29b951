import {
  type EmbedInput,
  type EmbedOutput,
  type FetchInput,
  type FetchOutput,
  type GenerateInput,
  type GenerateOutput,
  overfetch,
  type Passage,
  type SearchInput,
  type SearchMode,
  type SearchOutput,
} from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { withSignal } from '../../_shared/runtime/call.ts';
import type { Call, Logger, StageClient } from '../../_shared/stage.ts';
import { type Budget, budgetUntil } from './budget.ts';
import type { Answer, Question, SearchAnswer, SearchRequest, Timings } from './question.ts';

/** The stages that a question passes through, in this order. */
export interface QuestionStages {
  embed: StageClient<EmbedInput, EmbedOutput>;
  search: StageClient<SearchInput, SearchOutput>;
  fetch: StageClient<FetchInput, FetchOutput>;
  generate: StageClient<GenerateInput, GenerateOutput>;
}

export interface PipelineOptions {
  stages: QuestionStages;
  log: Logger;
  /** Milliseconds a question gets when it names no budget. */
  defaultBudgetMs: number;
}

/** What was found, and what the search for it took. */
export interface Retrieval {
  passages: Passage[];
  /** `lexical` when a hybrid search had to do without its vector. */
  mode: SearchMode;
  timings: Timings;
  degraded: string[];
  /** False when the time was up before everything was looked at. */
  complete: boolean;
  /** Time left for the rest of the question. */
  budget: Budget;
  /** `performance.now()` at the start. */
  startedAt: number;
}

/** Most of what is left that the embedding may use: the search can do without it, not the other way round. */
const EMBED_SHARE = 0.5;
/** Leave the later steps their part of the time. */
const SEARCH_SHARE = 0.7;
const FETCH_SHARE = 0.8;

/** The call with the deadline that the request's budget gives it, counted from now: waiting for a turn is part of it. */
export function within<C extends Call>(
  { budget_ms }: Pick<SearchRequest, 'budget_ms'>,
  call: C,
  { defaultBudgetMs }: Pick<PipelineOptions, 'defaultBudgetMs'>,
): C {
  const until = Date.now() + (budget_ms ?? defaultBudgetMs);
  const deadline = Math.min(until, call.deadline ?? Number.POSITIVE_INFINITY);
  return Object.assign(
    withSignal(call, () => call.signal),
    { deadline },
  );
}

/**
 * embed → search → fetch within the budget. A hybrid search goes on without its vector (`embed` in `degraded`) when
 * the embedding fails or is late. With a stated budget, lateness gives no passages and says which steps are missing;
 * without one it throws `deadline_exceeded`.
 */
export async function retrieve(
  request: SearchRequest,
  call: Call,
  options: PipelineOptions,
): Promise<Retrieval> {
  const { budget_ms, ...search } = request;
  const { deadline = 0 } = within(request, call, options);
  const retrieval: Retrieval = {
    passages: [],
    mode: request.mode,
    timings: {},
    degraded: [],
    complete: true,
    budget: budgetUntil(deadline),
    startedAt: performance.now(),
  };
  const { degraded } = retrieval;
  const missing = ['search', 'fetch'];
  try {
    const embedded =
      request.mode === 'lexical' ? undefined : await embedQuery(request, call, retrieval, options);
    const find = async (limit: number): Promise<boolean> => {
      const input = { ...search, ...embedded, mode: retrieval.mode };
      const found = await searchAndFetch({ ...input, limit }, call, retrieval, options, () =>
        missing.shift(),
      );
      retrieval.mode = found.mode;
      retrieval.passages = found.passages.slice(0, request.limit);
      degraded.push(...found.degraded);
      return found.dropped > 0 && found.passages.length < request.limit && found.hits.length === limit;
    };
    if (await find(overfetch(request.limit))) {
      // What is no longer current fills the top, and hides what is.
      const isStillShort = await find(overfetch(request.limit, true)).catch((thrown) => {
        if (!KnarrError.from(thrown).retryable) throw thrown;
        return true;
      });
      if (isStillShort) degraded.push('search.stale');
    }
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (error.code !== 'deadline_exceeded' || budget_ms === undefined) throw error;
    degraded.push(...missing);
    retrieval.complete = false;
  }
  return retrieval;
}

async function searchAndFetch(
  { neighbours, ...input }: SearchInput & Pick<FetchInput, 'neighbours'>,
  call: Call,
  { timings, budget }: Retrieval,
  { stages }: PipelineOptions,
  searched: () => void,
): Promise<SearchOutput & FetchOutput> {
  const found = await timed(timings, 'search', () =>
    budget.run(call, (step) => stages.search(input, step), SEARCH_SHARE),
  );
  searched();
  const fetched = await timed(timings, 'fetch', () =>
    budget.run(call, (step) => stages.fetch({ hits: found.hits, neighbours }, step), FETCH_SHARE),
  );
  return { ...found, ...fetched };
}

/** The query's vector; undefined, and the search lexical, when a hybrid search has to do without. */
async function embedQuery(
  { query, mode }: SearchRequest,
  call: Call,
  retrieval: Retrieval,
  { stages, log }: PipelineOptions,
): Promise<Pick<SearchInput, 'vector' | 'model'> | undefined> {
  const { timings, degraded, budget } = retrieval;
  try {
    const output = await timed(timings, 'embed', () =>
      budget.run(call, (step) => stages.embed({ texts: [query], kind: 'query' }, step), EMBED_SHARE),
    );
    const [vector] = output.vectors;
    if (vector === undefined) throw new KnarrError('upstream_failed', 'The embed stage gave no vector.');
    if (output.truncated.length > 0) degraded.push('embed.truncated');
    return { vector, model: output.model };
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (!error.retryable) throw error;
    degraded.push('embed');
    if (mode === 'dense') throw error;
    log.warn({ step: 'embed', code: error.code }, 'the search goes on without the vector');
    retrieval.mode = 'lexical';
    return undefined;
  }
}

/** Makes the answer from what was found. No time left, or a failure that may pass: `answer` is null and `generate` is in `degraded`. */
export async function answer(
  question: string,
  retrieval: Retrieval,
  call: Call,
  { stages, log }: PipelineOptions,
): Promise<Answer> {
  const { passages: sources, timings, budget, startedAt } = retrieval;
  const made = (part: Pick<Answer, 'answer' | 'answered' | 'citations' | 'model'>, cut: string[]): Answer => {
    timings.total = since(startedAt);
    return { ...part, sources, timings, degraded: [...new Set([...retrieval.degraded, ...cut])] };
  };
  const none = () => made({ answer: null, answered: false, citations: [], model: null }, ['generate']);
  // Without its sources an answer could only claim that there are none.
  if (!retrieval.complete) return none();
  try {
    const { degraded, ...output } = await timed(timings, 'generate', () =>
      budget.run(call, (step) => stages.generate({ question, passages: sources }, step)),
    );
    return made(output, degraded);
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (!error.retryable) throw error;
    log.warn({ step: 'generate', code: error.code }, 'answered with the sources alone');
    return none();
  }
}

/** A search that ends with its passages. */
export async function search(
  request: SearchRequest,
  call: Call,
  options: PipelineOptions,
): Promise<SearchAnswer> {
  const { passages, mode, timings, degraded, startedAt } = await retrieve(request, call, options);
  timings.total = since(startedAt);
  return { passages, mode, timings, degraded: [...new Set(degraded)] };
}

/** A whole question: {@link retrieve}, then {@link answer}. */
export async function ask(question: Question, call: Call, options: PipelineOptions): Promise<Answer> {
  const retrieval = await retrieve(searchOf(question), call, options);
  return answer(question.question, retrieval, call, options);
}

/** The search that a question asks for. */
export function searchOf({ question, stream: _, ...search }: Question): SearchRequest {
  return { ...search, query: question };
}

async function timed<T>(timings: Timings, step: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    timings[step] = rounded((timings[step] ?? 0) + since(startedAt));
  }
}

const since = (startedAt: number) => rounded(performance.now() - startedAt);
const rounded = (milliseconds: number) => Math.round(milliseconds * 100) / 100;
