import { z } from '@hono/zod-openapi';
import { CollectionName, Drift, DriftCursor } from '../../_shared/contracts.ts';
import { generationId } from '../../_shared/generation.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, auditOf, endpoint, requireOperator } from './endpoint.ts';

const tag = 'Maintenance';

const Rebuilding = z
  .object({
    rebuilding: z.int().meta({ description: 'Documents that were sent off.' }),
    more: z.literal(true).optional().meta({
      description: 'Only when there are more than could be sent off now: the rest follows by itself.',
    }),
  })
  .meta({ id: 'Rebuilding' });
/** How long a call sends documents off before it answers; what is left goes on by a timer. */
const SENDING_MS = 10_000;

/** Keeping the vector store in step with the documents. */
export function maintenanceRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/admin/reconcile',
      role: 'admin',
      tag,
      summary: 'Compare documents and vector store',
      description:
        'Of all tenants, so for the operator alone. Runs by itself as well; this call waits for the result. Of large stores it answers after half a minute with what it has found so far and `next`, with which the next call goes on; the last answer counts everything.',
      json: z.strictObject({
        repair: z.boolean().default(true).meta({ description: 'Remove and make again what is wrong.' }),
        cursor: DriftCursor.optional().meta({ description: '`next` of the answer before.' }),
      }),
      answers: { 200: { description: 'What was found.', json: Drift } },
    },
    async ({ c, json: { repair, cursor }, call }) => {
      requireOperator(call);
      // Another stage does it: nothing is done that the log does not have.
      const details = { repair, continued: cursor !== undefined };
      await deps.access.audit([{ ...auditOf(call), action: 'store.reconcile', details }]);
      return c.json(await deps.reconcile({ action: 'reconcile', repair, cursor }, call));
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/admin/rebuild',
      role: 'admin',
      tag,
      summary: 'Make all vectors anew',
      description:
        'Reads, cuts, embeds and indexes every document again; they stay searchable meanwhile. A collection that was built for another model or chunking than is configured now moves to it: until a document is there, searches do not find it and name `search.rebuilding` in `degraded`.',
      json: z.strictObject({ collection: CollectionName.optional() }),
      answers: {
        202: {
          description: 'Under way.',
          json: Rebuilding,
        },
      },
    },
    async ({ c, json: { collection }, call }) => {
      const { documents, access } = deps;
      const { tenant } = call;
      const generation = generationId(deps.generation);
      const entry = { ...auditOf(call), action: 'store.rebuild', details: { collection, generation } };
      await documents.beginRebuild({ tenant, collection, generation }, (tx) => access.audit([entry], tx));
      const until = Date.now() + SENDING_MS;
      const begun: z.infer<typeof Rebuilding> = { rebuilding: 0 };
      for (let more = true; more; ) {
        const batch = await documents.goOnRebuilding({ tenant, collection });
        begun.rebuilding += batch.sent;
        deps.relay.wake();
        more = batch.more && !batch.waits && Date.now() < until;
        if (batch.more && !more) begun.more = true;
      }
      return c.json(begun, 202);
    },
  );
}
