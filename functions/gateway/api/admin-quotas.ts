import { z } from '@hono/zod-openapi';
import { TenantName } from '../../_shared/stores/access/names.ts';
import type { GatewayDeps } from '../deps.ts';
import { administered, OfTenant } from './admin-keys.ts';
import { type Api, type ApiCall, auditOf, endpoint, requireOperator } from './endpoint.ts';

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullable();
const QUOTA = {
  documents: count.meta({ description: 'Current documents.' }),
  bytes: count.meta({ description: 'Bytes of content of the current documents.' }),
  requests_per_second: z
    .number()
    .positive()
    .max(1_000_000)
    .nullable()
    .meta({ description: 'In each replica of the gateway.' }),
  questions: z
    .int()
    .min(0)
    .max(100_000)
    .nullable()
    .meta({ description: 'Questions, searches and embedding requests at work at once, in each replica.' }),
};
const QuotaView = z
  .object({
    tenant: TenantName,
    quota: z.object(QUOTA).meta({ description: 'What holds: as set, else by default; null: no limit.' }),
    used: z.object({ documents: z.int(), bytes: z.int() }),
  })
  .meta({ id: 'Quota' });

const { documents, bytes, requests_per_second, questions } = QUOTA;
/** Null, and what is not named, is the default again. */
const NewQuota = z
  .strictObject({
    documents: documents.default(null),
    bytes: bytes.default(null),
    requests_per_second: requests_per_second.default(null),
    questions: questions.default(null),
    tenant: OfTenant,
  })
  .meta({ id: 'NewQuota', examples: [{ documents: 10_000, requests_per_second: 50 }] });
/** Null is the default again; what is not named stays as it is. */
const QuotaChange = z
  .strictObject({
    documents: documents.optional(),
    bytes: bytes.optional(),
    requests_per_second: requests_per_second.optional(),
    questions: questions.optional(),
    tenant: OfTenant,
  })
  .meta({ id: 'QuotaChange', examples: [{ requests_per_second: 50 }] });

const tag = 'Administration';

/** What a tenant may have and has. */
export function quotaRoutes(api: Api, deps: GatewayDeps): void {
  async function view(tenant: string): Promise<z.infer<typeof QuotaView>> {
    const [{ requestsPerSecond, ...quota }, used] = await Promise.all([
      deps.quotas.quota(tenant),
      deps.access.usage(tenant),
    ]);
    return { tenant, quota: { ...quota, requests_per_second: requestsPerSecond }, used };
  }

  /** What is not named stays as it is. */
  async function set(change: z.infer<typeof QuotaChange>, call: ApiCall) {
    requireOperator(call);
    const { tenant = call.tenant, requests_per_second: requestsPerSecond, ...rest } = change;
    const given = Object.entries({ ...rest, requestsPerSecond }).filter(([, limit]) => limit !== undefined);
    await deps.access.setQuota(tenant, Object.fromEntries(given), auditOf(call));
    deps.quotas.forget(tenant);
    return view(tenant);
  }

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/admin/quotas',
      role: 'admin',
      tag,
      summary: 'Quota and usage of a tenant',
      query: z.strictObject({ tenant: OfTenant }),
      answers: { 200: { description: 'What it may have, and has.', json: QuotaView } },
    },
    async ({ c, query, call }) => c.json(await view(administered(call, query.tenant))),
  );

  endpoint(
    api,
    {
      method: 'put',
      path: '/v1/admin/quotas',
      role: 'admin',
      tag,
      summary: 'Set the quota of a tenant',
      description:
        "What is not named, or null, is the default. Only for admins of the operator's tenant. Holds on every replica within seconds.",
      json: NewQuota,
      answers: { 200: { description: 'What holds now.', json: QuotaView } },
    },
    async ({ c, json, call }) => c.json(await set(json, call)),
  );

  endpoint(
    api,
    {
      method: 'patch',
      path: '/v1/admin/quotas',
      role: 'admin',
      tag,
      summary: 'Change the quota of a tenant',
      description:
        "What is not named stays as it is; null is the default again. Only for admins of the operator's tenant. Holds on every replica within seconds.",
      json: QuotaChange,
      answers: { 200: { description: 'What holds now.', json: QuotaView } },
    },
    async ({ c, json, call }) => c.json(await set(json, call)),
  );
}
