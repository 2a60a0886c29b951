import { randomUUID } from 'node:crypto';
import { KnarrError } from '../../_shared/errors.ts';
import { type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../../_shared/events.ts';
import { problemOf } from '../../_shared/runtime/problem.ts';
import type { Call, Caller } from '../../_shared/stage.ts';
import type { Answer as StoredAnswer } from '../../_shared/stores/documents/records.ts';
import type { GatewayDeps } from '../deps.ts';
import type { Answer, Question } from './question.ts';

/** Every event of the question carries it, beside what the stages add: half an event is left for that. */
const MAX_ASK_BYTES = MAX_EVENT_BYTES / 2;

type QueryDeps = Pick<GatewayDeps, 'documents' | 'publisher' | 'limits' | 'quotas'>;

/**
 * Puts a question on the event path and gives the id under which its answer will be found. Throws
 * `unknown_collection`, `too_many_requests` beyond the tenant's quota of questions, and `unavailable` when the broker does not take it.
 */
export async function askLater(question: Question, call: Call, deps: QueryDeps): Promise<string> {
  const { documents, publisher, limits, quotas } = deps;
  const { tenant, principals, traceparent, signal } = call;
  if (!(await documents.mayEnter(call, question.collection))) {
    throw new KnarrError('unknown_collection', `There is no collection ${question.collection}.`);
  }
  const { budget_ms, stream: _, ...ask } = question;
  const id = randomUUID();
  const data = { ...ask, query: id, principals: [...principals], degraded: [], timings: {} };
  if (Buffer.byteLength(JSON.stringify(data)) > MAX_ASK_BYTES) {
    throw new KnarrError(
      'too_large',
      `An asynchronous question has at most ${MAX_ASK_BYTES} bytes with its filter.`,
    );
  }
  const deadline = new Date(Date.now() + (budget_ms ?? limits.asyncBudgetMs));
  const keptMs = limits.answerTtlMs;
  const { questions } = await quotas.quota(tenant);
  const limit = questions === null ? undefined : { most: questions, keptMs };
  if (!(await documents.createAnswer(call, id, new Date(deadline.getTime() + keptMs), limit))) {
    throw new KnarrError(
      'too_many_requests',
      `${questions} questions of this tenant are being answered; try again shortly.`,
      { headers: quotas.headers(tenant) },
    );
  }
  const event = toCloudEvent('gateway', emit('query.asked', id, data), {
    tenant,
    deadline: deadline.toISOString(),
    correlationid: id,
    ...(traceparent && { traceparent }),
  });
  try {
    await publisher.publish([event], signal);
  } catch (cause) {
    const error = new KnarrError('unavailable', 'The broker did not take the question.', { cause });
    await documents.completeAnswer(tenant, id, 'failed', problemOf(error));
    throw error;
  }
  return id;
}

/** The answer that the event path arrived at, as the synchronous path would have given it. */
export function answerOf({ passages, result, degraded, timings }: EventData<'query.answered'>): Answer {
  const { answer, answered, citations, model } = result;
  const steps = Object.entries(timings);
  const total = steps.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  return {
    answer,
    answered,
    citations,
    sources: passages,
    model,
    timings: Object.fromEntries(
      [...steps, ['total', total] as const].map(([step, ms]) => [step, rounded(ms)]),
    ),
    degraded: [...new Set([...degraded, ...result.degraded])],
  };
}

const rounded = (milliseconds: number) => Math.round(milliseconds * 100) / 100;

/**
 * The stored answer; one whose deadline has passed while it was pending becomes failed, since expired events are dropped.
 * Undefined when there is none (any more).
 */
export async function readAnswer(
  caller: Caller,
  id: string,
  { documents, limits }: QueryDeps,
): Promise<StoredAnswer | undefined> {
  const stored = await documents.answer(caller, id);
  if (stored?.state === 'answered') return withCurrentSources(stored, caller, documents);
  if (stored?.state !== 'pending') return stored;
  // Answers expire a fixed time after their question's deadline.
  if (Date.parse(stored.expiresAt) - limits.answerTtlMs > Date.now()) return stored;
  const error = new KnarrError('deadline_exceeded', 'The deadline passed before the question was answered.');
  await documents.completeAnswer(caller.tenant, id, 'failed', problemOf(error));
  return documents.answer(caller, id);
}

/**
 * What was answered may have been deleted, changed or closed to the caller since. Then the answer made of it is withheld,
 * with those sources, and `degraded` names `sources.withdrawn`.
 */
async function withCurrentSources(
  stored: StoredAnswer,
  caller: Caller,
  documents: QueryDeps['documents'],
): Promise<StoredAnswer> {
  const result = stored.result as Answer;
  const hits = result.sources.map(({ document, version, chunk }) => ({ document, version, chunk, score: 0 }));
  if (hits.length === 0) return stored;
  const rows = await documents.currentChunks(caller, hits, 0);
  const current = new Set(rows.map(({ document, version }) => `${version} ${document}`));
  const sources = result.sources.filter(({ document, version }) => current.has(`${version} ${document}`));
  if (sources.length === result.sources.length) return stored;
  const degraded = [...new Set([...result.degraded, 'sources.withdrawn'])];
  return {
    ...stored,
    result: { ...result, answer: null, answered: false, citations: [], sources, degraded },
  };
}
