import type { EventData } from '../_shared/events.ts';
import { uuidv5 } from '../_shared/ids.ts';
import { validate } from '../_shared/runtime/problem.ts';
import type { Context, EventContext } from '../_shared/stage.ts';
import { accept, readSubmission } from './accept/accept.ts';
import { Submission } from './accept/submission.ts';
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

/** `document.submitted`: accepts as `PUT /v1/documents/{id}` does. A repeated delivery accepts nothing new. */
export async function acceptSubmitted(
  { document, submitter, ...rest }: EventData<'document.submitted'>,
  context: EventContext<GatewayDeps>,
): Promise<undefined> {
  const incoming = await readSubmission(
    validate(Submission, rest, 'The event data'),
    context.deps,
    context.signal,
  );
  const { source, id } = context.event;
  const { tenant, traceparent, deps } = context;
  const writer = submitter
    ? { tenant, traceparent, actor: submitter.actor, caller: { tenant, ...submitter } }
    : { tenant, traceparent, actor: `event:${source}` };
  await accept(document, incoming, writer, deps, uuidv5('submitted', source, id));
}

/** `query.answered`: keeps the answer where `GET /v1/queries/{id}` finds it. */
export async function keepAnswer(
  data: EventData<'query.answered'>,
  { deps, tenant }: EventContext<GatewayDeps>,
): Promise<undefined> {
  await deps.documents.completeAnswer(tenant, data.query, 'answered', answerOf(data));
}
