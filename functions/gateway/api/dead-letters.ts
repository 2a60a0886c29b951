import { z } from '@hono/zod-openapi';
import { KnarrError } from '../../_shared/errors.ts';
import { type CloudEvent, EVENTS } from '../../_shared/events.ts';
import type { DeadLetter } from '../../_shared/stores/documents/records.ts';
import type { Queryable } from '../../_shared/stores/sql/database.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, type ApiCall, auditOf, endpoint, queryInteger } from './endpoint.ts';

const Event = z
  .looseObject({ id: z.string(), source: z.string(), type: z.string(), subject: z.string().optional() })
  .meta({ description: 'The CloudEvent; its data is left out in lists.' });

const DeadLetterView = z
  .object({
    id: z.string(),
    code: z
      .string()
      .meta({ description: 'Why it was given up: an error code, or the HTTP status of the last attempt.' }),
    message: z.string(),
    destination: z.string().meta({ description: 'Where it could not be delivered.' }),
    received_at: z.string(),
    attempts: z.int().meta({ description: 'One, and one more for each replay that failed again.' }),
    event: Event,
  })
  .meta({ id: 'DeadLetter' });

const tag = 'Dead letters';

function view({ id, code, message, destination, receivedAt, attempts, event }: DeadLetter) {
  const shown = { ...event, ...(event.data !== undefined && { data: shownOf(event) }) };
  return { id, code, message, destination, received_at: receivedAt, attempts, event: shown };
}

/**
 * What its readers see. Of a question what was asked: what was found for it may have been deleted, changed or closed to
 * them since. Of a submission all but whose rights it has, which is no reader's business.
 */
function shownOf({ type, data }: CloudEvent): unknown {
  const isQuestion = type.startsWith('dev.knarr.query.');
  if (!isRecord(data)) return isQuestion ? {} : data;
  const isShown = (name: string) =>
    isQuestion ? Object.hasOwn(EVENTS['query.asked'].shape, name) : name !== 'submitter';
  return Object.fromEntries(Object.entries(data).filter(([name]) => isShown(name)));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withoutData = ({ event: { data: _, ...event }, ...rest }: ReturnType<typeof view>) => ({
  ...rest,
  event,
});

const Selection = z.object({
  type: z.string().max(256).optional().meta({ description: 'Full type of the event.' }),
  code: z.string().max(64).optional(),
  subject: z.string().max(512).optional().meta({ description: 'Id of the document or question.' }),
});
const Replayed = z
  .object({ replayed: z.int().meta({ description: 'How many events are on their way again.' }) })
  .meta({ id: 'Replayed' });
const REPLAYED = {
  202: { description: 'On their way again; one that fails again is a dead letter again.', json: Replayed },
};

/** Events that the pipeline could not process, with the reason. */
export function deadLetterRoutes(api: Api, deps: GatewayDeps): void {
  /** Each replay and its entry are one transaction. */
  const logged = (call: ApiCall) => (tx: Queryable, target: string) =>
    deps.access.audit([{ ...auditOf(call), action: 'dead_letter.replay', target }], tx);

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/dead-letters',
      role: 'reader',
      tag,
      summary: 'List dead letters, newest first',
      query: z.strictObject({
        limit: queryInteger(1, 1000, 100),
        cursor: z.string().max(2048).optional(),
        ...Selection.shape,
      }),
      answers: {
        200: {
          description: 'A page; `next` is absent on the last one.',
          json: z.object({ dead_letters: z.array(DeadLetterView), next: z.string().optional() }),
        },
      },
    },
    async ({ c, query, call }) => {
      // An admin sees that there are others, so that none is forgotten; what they carry is for their readers alone.
      const readableBy = call.role === 'admin' ? undefined : call;
      const { items, next } = await deps.documents.deadLetters(call.tenant, { ...query, readableBy });
      const letters = items.map(view).map(withoutData);
      return c.json({ dead_letters: letters, ...(next !== undefined && { next }) });
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/dead-letters/{id}',
      role: 'reader',
      tag,
      summary: 'A dead letter with its event',
      description:
        'Without its data for an admin who may not read the document or question; of a question what was asked, without what was found for it.',
      params: z.object({ id: z.string().min(1).max(512) }),
      answers: { 200: { description: 'The dead letter.', json: DeadLetterView } },
    },
    async ({ c, params: { id = '' }, call }) => {
      const { items } = await deps.documents.deadLetters(call.tenant, { id, readableBy: call, limit: 1 });
      const [readable] = items;
      if (readable) return c.json(view(readable));
      const letter = call.role === 'admin' ? await deps.documents.deadLetter(call.tenant, id) : undefined;
      if (!letter) throw new KnarrError('not_found', 'There is no such dead letter.');
      return c.json(withoutData(view(letter)));
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/dead-letters/{id}/replay',
      role: 'admin',
      tag,
      summary: 'Replay a dead letter',
      params: z.object({ id: z.string().min(1).max(512) }),
      answers: REPLAYED,
    },
    async ({ c, params: { id = '' }, call }) => {
      const replayed = await deps.documents.replay(call.tenant, { id }, 1, logged(call));
      if (replayed === 0) throw new KnarrError('not_found', 'There is no such dead letter.');
      deps.relay.wake();
      return c.json({ replayed }, 202);
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/dead-letters:replay',
      role: 'admin',
      tag,
      summary: 'Replay dead letters',
      description: 'Those that match, oldest first; `{}` replays all, up to `limit`.',
      json: z.strictObject({ limit: z.int().min(1).max(10_000).default(1000), ...Selection.shape }),
      answers: REPLAYED,
    },
    async ({ c, json: { limit, ...filter }, call }) => {
      const replayed = await deps.documents.replay(call.tenant, filter, limit, logged(call));
      if (replayed > 0) deps.relay.wake();
      return c.json({ replayed }, 202);
    },
  );
}
