import type { EventData } from '../_shared/events.ts';
import type { Context, EventContext } from '../_shared/stage.ts';
import { acceptEvent } from './accept/event.ts';
import { checkReading } from './auth/identity.ts';
import type { GatewayDeps } from './deps.ts';
import { ask, within } from './rag/pipeline.ts';
import { answerOf } from './rag/queries.ts';
import type { Answer, Question } from './rag/question.ts';

/** The gateway's plain contract: a question in, its cited answer out. */
export async function answerQuestion(question: Question, context: Context<GatewayDeps>): Promise<Answer> {
  const { stages, limits, quotas } = context.deps;
  checkReading(context, question.collection);
  const options = { stages, log: context.log, defaultBudgetMs: limits.defaultBudgetMs };
  const call = within(question, context, options);
  const release = await quotas.question(call);
  try {
    return await ask(question, call, options);
  } finally {
    release();
  }
}

/** `document.submitted`: accepts as `PUT /v1/documents/{id}` does. A repeated delivery, or a late one, accepts nothing. */
export async function acceptSubmitted(
  { submitter, ...data }: EventData<'document.submitted'>,
  { event, tenant, traceparent, deps, signal, log }: EventContext<GatewayDeps>,
): Promise<undefined> {
  const writer = submitter
    ? { tenant, traceparent, actor: submitter.actor, caller: { tenant, ...submitter } }
    : { tenant, traceparent, actor: `event:${event.source}` };
  const { overtaken, document, version } = await acceptEvent(event, data, writer, deps, signal);
  if (overtaken) {
    const { source, id, time } = event;
    log.info({ source, id, time, document, version }, 'a submission comes too late: a newer one is there');
  }
}

/** `query.answered`: keeps the answer where `GET /v1/queries/{id}` finds it. */
export async function keepAnswer(
  data: EventData<'query.answered'>,
  { deps, tenant }: EventContext<GatewayDeps>,
): Promise<undefined> {
  await deps.documents.completeAnswer(tenant, data.query, 'answered', answerOf(data));
}
