import { z } from '@hono/zod-openapi';
import { CollectionName } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { KeyName, MAX_PRINCIPALS, Principal, TenantName } from '../../_shared/stores/access/names.ts';
import { type ApiKey, ROLES } from '../../_shared/stores/access/port.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, type ApiCall, auditOf, endpoint, queryInteger, requireOperator } from './endpoint.ts';

/** Of another tenant than the caller's: for the operator alone. */
export const OfTenant = TenantName.optional().meta({
  description: "Another tenant than the caller's; only for admins of the operator's tenant.",
});

/** The tenant that is administered. Throws `forbidden` when that is not the caller's to do. */
export function administered(call: ApiCall, tenant: string | undefined): string {
  if (tenant !== undefined && tenant !== call.tenant) requireOperator(call);
  return tenant ?? call.tenant;
}

export const NewKey = z
  .strictObject({
    name: KeyName,
    role: z.enum(ROLES),
    collections: z.array(CollectionName).min(1).max(1000).optional().meta({
      description: 'Collections that it is limited to; all of the tenant by default. Not for admins.',
    }),
    principals: z
      .array(Principal)
      .max(MAX_PRINCIPALS - 3)
      .default([])
      .meta({ description: 'What it reads as beside `*`, `user:<name>` and `key:<id>`.' }),
    expires_at: z.iso.datetime({ offset: true }).optional().meta({ description: 'Never, by default.' }),
    tenant: OfTenant,
  })
  .refine(({ role, collections }) => role !== 'admin' || collections === undefined, {
    path: ['collections'],
    message: 'an admin is one of the whole tenant',
  })
  .meta({ id: 'NewKey', examples: [{ name: 'crawler', role: 'writer' }] });

const KeyView = z
  .object({
    id: z.string(),
    tenant: TenantName,
    name: z.string(),
    role: z.enum(ROLES),
    collections: z.array(z.string()).nullable(),
    principals: z.array(z.string()),
    created_at: z.string(),
    created_by: z.string(),
    expires_at: z.string().nullable(),
    revoked_at: z.string().nullable(),
    last_used_at: z.string().nullable().meta({ description: 'To the minute.' }),
  })
  .meta({ id: 'Key' });
const CreatedKey = KeyView.extend({
  key: z.string().meta({ description: 'The secret. It is shown this once; only its hash is kept.' }),
}).meta({ id: 'CreatedKey' });

export function keyView(key: ApiKey): z.infer<typeof KeyView> {
  const { id, tenant, name, role, collections, principals } = key;
  return {
    id,
    tenant,
    name,
    role,
    collections,
    principals,
    created_at: key.createdAt,
    created_by: key.createdBy,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
    last_used_at: key.lastUsedAt,
  };
}

const tag = 'Administration';

/** API keys: made, listed, revoked. */
export function keyRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/admin/keys',
      role: 'admin',
      tag,
      summary: 'Make an API key',
      json: NewKey,
      answers: { 201: { description: 'The key, this once.', json: CreatedKey } },
    },
    async ({ c, json: { tenant, collections = null, expires_at, ...given }, call }) => {
      const expiresAt = expires_at === undefined ? null : new Date(expires_at);
      if (expiresAt && expiresAt.getTime() <= Date.now()) {
        throw new KnarrError('invalid_request', 'expires_at: has passed.');
      }
      const owner = administered(call, tenant);
      const { key, record } = await deps.access.createKey(
        { ...given, tenant: owner, collections, expiresAt },
        auditOf(call),
      );
      c.header('cache-control', 'no-store');
      return c.json({ ...keyView(record), key }, 201);
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/admin/keys',
      role: 'admin',
      tag,
      summary: 'List API keys, newest first',
      query: z.strictObject({
        limit: queryInteger(1, 1000, 100),
        cursor: z.string().max(2048).optional(),
        tenant: OfTenant,
      }),
      answers: {
        200: {
          description: 'A page, revoked and expired ones included; `next` is absent on the last one.',
          json: z.object({ keys: z.array(KeyView), next: z.string().optional() }),
        },
      },
    },
    async ({ c, query: { tenant, ...page }, call }) => {
      const { items, next } = await deps.access.keys(administered(call, tenant), page);
      return c.json({ keys: items.map(keyView), ...(next !== undefined && { next }) });
    },
  );

  endpoint(
    api,
    {
      method: 'delete',
      path: '/v1/admin/keys/{id}',
      role: 'admin',
      tag,
      summary: 'Revoke an API key',
      description:
        'At once on the replica that is asked, within KNARR_AUTH_CACHE on the others. It stays listed.',
      params: z.object({ id: z.string().regex(/^[0-9a-f]{16}$/) }),
      query: z.strictObject({ tenant: OfTenant }),
      answers: { 200: { description: 'The key as it is now.', json: KeyView } },
    },
    async ({ c, params: { id = '' }, query: { tenant }, call }) => {
      const revoked = await deps.access.revokeKey(administered(call, tenant), id, auditOf(call));
      if (!revoked) throw new KnarrError('not_found', 'There is no such key.');
      deps.authenticator?.forget(`key:${id}`);
      return c.json(keyView(revoked));
    },
  );
}
