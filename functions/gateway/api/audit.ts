import { z } from '@hono/zod-openapi';
import type { GatewayDeps } from '../deps.ts';
import { administered, OfTenant } from './admin-keys.ts';
import { type Api, endpoint, queryInteger } from './endpoint.ts';

const Entry = z
  .object({
    id: z.string(),
    at: z.string(),
    actor: z.string().meta({ description: '`key:<id>`, `user:<name>`, or `event:<source>`.' }),
    action: z.string().meta({ description: '`document.put`, `key.create`, …; for a denial also the call.' }),
    target: z.string().nullable().meta({ description: 'Id of the document or key.' }),
    denied: z.string().nullable().meta({ description: 'Why it was denied; null: it was done.' }),
    count: z.int().meta({ description: 'Equal denials that the entry stands for.' }),
    trace_id: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });

/** `GET /v1/audit`: writes, denials and administration; nobody can change it. */
export function auditRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/audit',
      role: 'admin',
      tag: 'Administration',
      summary: 'Read the audit log, newest first',
      description: 'Names documents, whoever may read them, and says nothing of what is in them.',
      query: z.strictObject({
        limit: queryInteger(1, 1000, 100),
        cursor: z.string().max(2048).optional(),
        actor: z.string().max(300).optional(),
        action: z.string().max(300).optional(),
        target: z.string().max(512).optional(),
        outcome: z.enum(['done', 'denied']).optional(),
        tenant: OfTenant,
      }),
      answers: {
        200: {
          description: 'A page; `next` is absent on the last one.',
          json: z.object({ entries: z.array(Entry), next: z.string().optional() }),
        },
      },
    },
    async ({ c, query: { tenant, ...page }, call }) => {
      await deps.denials.flush();
      const { items, next } = await deps.access.auditLog(administered(call, tenant), page);
      const entries = items.map(({ traceId = null, target = null, denied = null, ...entry }) => ({
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        target,
        denied,
        count: entry.count,
        trace_id: traceId,
        details: entry.details,
      }));
      return c.json({ entries, ...(next !== undefined && { next }) });
    },
  );
}
