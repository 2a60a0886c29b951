import { z } from '@hono/zod-openapi';
import { KnarrError } from '../../_shared/errors.ts';
import type { Call, Logger } from '../../_shared/stage.ts';
import type { Answer as StoredAnswer } from '../../_shared/stores/documents/records.ts';
import type { GatewayDeps } from '../deps.ts';
import { readAnswer } from '../rag/queries.ts';
import { Answer } from '../rag/question.ts';
import type { Slots } from '../slots.ts';
import { type Api, endpoint, Problem } from './endpoint.ts';
import { eventStream, follow } from './stream.ts';

const Links = z.object({ self: z.string(), events: z.string() });
const QueryState = z.enum(['pending', 'answered', 'failed']);

export const Pending = z
  .object({ id: z.uuid(), state: QueryState, links: Links })
  .meta({ id: 'PendingQuery' });
const Query = z
  .object({
    ...Pending.shape,
    result: Answer.optional().meta({ description: 'When answered.' }),
    error: Problem.optional().meta({ description: 'When failed.' }),
    created_at: z.string(),
    expires_at: z.string().meta({ description: 'When the answer is forgotten.' }),
  })
  .meta({ id: 'Query' });

const Params = z.object({ id: z.uuid() });
const tag = 'Questions';

export function pendingView(id: string): z.infer<typeof Pending> {
  const self = `/v1/queries/${id}`;
  return { id, state: 'pending', links: { self, events: `${self}/events` } };
}

function queryView({ id, state, result, createdAt, expiresAt }: StoredAnswer) {
  return {
    ...pendingView(id),
    state,
    ...(state === 'answered' && { result }),
    ...(state === 'failed' && { error: result }),
    created_at: createdAt,
    expires_at: expiresAt,
  };
}

export function queryRoutes(api: Api, deps: GatewayDeps, streams: Slots, log: Logger): void {
  const read = async (call: Call, id: string) => {
    const stored = await readAnswer(call, id, deps);
    if (!stored) throw new KnarrError('not_found', 'There is no such question, or its answer has expired.');
    return queryView(stored);
  };

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/queries/{id}',
      role: 'reader',
      tag,
      summary: 'State and answer of an asynchronous question',
      params: Params,
      answers: { 200: { description: 'Pending, answered or failed.', json: Query } },
    },
    async ({ c, call, params: { id = '' } }) => c.json(await read(call, id)),
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/queries/{id}/events',
      role: 'reader',
      tag,
      summary: 'Follow an asynchronous question until it has ended',
      description:
        'Events `state` with the question as its state shows it; `timeout` when the stream ends before the question does.',
      params: Params,
      answers: { 200: { description: 'Server-sent events.', content: { 'text/event-stream': z.string() } } },
    },
    async ({ c, call, params: { id = '' } }) => {
      await read(call, id);
      const { limits } = deps;
      const closing = deps.closing.signal;
      return eventStream(c, { closing, log, release: streams.take() }, (stream) =>
        follow(stream, limits.streamMs, async () => {
          const state = await read(call, id);
          return { state, key: state.state, ended: state.state !== 'pending' };
        }),
      );
    },
  );
}
