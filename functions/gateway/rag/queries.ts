import { randomUUID } from 'node:crypto';
import { KnarrError } from '../../_shared/errors.ts';
import { type EventData, emit, toCloudEvent } from '../../_shared/events.ts';
import { problemOf } from '../../_shared/runtime/problem.ts';
import type { Call } from '../../_shared/stage.ts';
import type { Answer as StoredAnswer } from '../../_shared/stores/documents/port.ts';
import type { GatewayDeps } from '../deps.ts';
import { searchOf } from './pipeline.ts';
import type { Answer, Question } from './question.ts';

type QueryDeps = Pick<GatewayDeps, 'documents' | 'publisher' | 'limits'>;

/**
 * Puts a question on the event path and gives the id under which its answer will be found. Throws
 * `unknown_collection`, and `unavailable` when the broker does not take it.
 */
export async function askLater(question: Question, call: Call, deps: QueryDeps): Promise<string> {
  const { documents, publisher, limits } = deps;
  const { tenant, principals, traceparent, signal } = call;
  if ((await documents.generationOf(tenant, question.collection)) === undefined) {
    throw new KnarrError('unknown_collection', `There is no collection ${question.collection}.`);
  }
  const id = randomUUID();
  const deadline = new Date(Date.now() + (question.budget_ms ?? limits.asyncBudgetMs));
  const { budget_ms: _, ...search } = searchOf(question);
  const data = {
    ...search,
    question: question.question,
    principals: [...principals],
    degraded: [],
    timings: {},
  };
  await documents.createAnswer(tenant, id, new Date(deadline.getTime() + limits.answerTtlMs));
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
  const total = Object.values(timings).reduce((sum, milliseconds) => sum + milliseconds, 0);
  return {
    answer,
    answered,
    citations,
    sources: passages,
    model,
    timings: { ...timings, total: Math.round(total * 100) / 100 },
    degraded: [...new Set([...degraded, ...result.degraded])],
  };
}

/**
 * The stored answer; one whose deadline has passed while it was pending becomes failed, since expired events are dropped.
 * Undefined when there is none (any more).
 */
export async function readAnswer(
  tenant: string,
  id: string,
  { documents, limits }: QueryDeps,
): Promise<StoredAnswer | undefined> {
  const stored = await documents.answer(tenant, id);
  if (stored?.state !== 'pending') return stored;
  // Answers expire a fixed time after their question's deadline.
  if (Date.parse(stored.expiresAt) - limits.answerTtlMs > Date.now()) return stored;
  const error = new KnarrError('deadline_exceeded', 'The deadline passed before the question was answered.');
  await documents.completeAnswer(tenant, id, 'failed', problemOf(error));
  return documents.answer(tenant, id);
}
