import { fromCursor, toCursor } from '../documents/text.ts';
import type { Database } from '../sql/database.ts';
import { appendAudit } from './audit.ts';
import { makeKey } from './key.ts';
import type { AccessStore, ApiKey, Role } from './port.ts';

interface Row {
  id: string;
  tenant: string;
  name: string;
  role: Role;
  collections: string[] | null;
  principals: string[];
  created_at: Date;
  created_by: string;
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
}
const COLUMNS = `id, tenant, name, role, collections, principals, created_at, created_by, expires_at, revoked_at,
  last_used_at`;

/** API keys: made, found, listed and revoked. */
export function keys(
  database: Database,
): Pick<AccessStore, 'createKey' | 'findKey' | 'keys' | 'revokeKey' | 'touchKeys' | 'hasKeys'> {
  return {
    createKey({ tenant, name, role, collections, principals, expiresAt }, by) {
      const { id, key, hash } = makeKey();
      return database.transaction(async (tx) => {
        const { rows } = await tx.query<Row>(
          `insert into api_keys (id, tenant, name, role, collections, principals, hash, created_by, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${COLUMNS}`,
          [id, tenant, name, role, collections, principals, hash, by.actor, expiresAt],
        );
        const details = { name, role, collections, principals, expires_at: expiresAt?.toISOString() ?? null };
        await appendAudit(tx, [{ ...by, tenant, action: 'key.create', target: id, details }]);
        return { key, record: keyOf(rows[0] as Row) };
      });
    },

    async findKey(id) {
      const { rows } = await database.query<Row & { hash: string }>(
        `select ${COLUMNS}, hash from api_keys where id = $1`,
        [id],
      );
      const [row] = rows;
      return row && { ...keyOf(row), hash: row.hash };
    },

    async keys(tenant, { limit, cursor }) {
      const after = cursor === undefined ? undefined : position(cursor);
      const { rows } = await database.query<Row>(
        `select ${COLUMNS} from api_keys where tenant = $1
         ${after ? 'and (created_at, id) < ($3::timestamptz, $4)' : ''}
         order by created_at desc, id desc limit $2`,
        [tenant, limit + 1, ...(after ?? [])],
      );
      const items = rows.slice(0, limit).map(keyOf);
      const last = rows[limit - 1];
      if (rows.length <= limit || !last) return { items };
      return { items, next: toCursor([last.created_at.toISOString(), last.id]) };
    },

    revokeKey(tenant, id, by) {
      return database.transaction(async (tx) => {
        const { affected } = await tx.query(
          'update api_keys set revoked_at = now() where tenant = $1 and id = $2 and revoked_at is null',
          [tenant, id],
        );
        if (affected === 1) await appendAudit(tx, [{ ...by, tenant, action: 'key.revoke', target: id }]);
        const { rows } = await tx.query<Row>(
          `select ${COLUMNS} from api_keys where tenant = $1 and id = $2`,
          [tenant, id],
        );
        return rows[0] && keyOf(rows[0]);
      });
    },

    async touchKeys(ids) {
      await database.query(
        `update api_keys set last_used_at = date_trunc('minute', now())
         where id = any($1::text[]) and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
        [ids],
      );
    },

    async hasKeys() {
      const { rows } = await database.query<{ some: boolean }>(
        `select exists (select from api_keys
         where revoked_at is null and (expires_at is null or expires_at > now())) as some`,
      );
      return rows[0]?.some ?? false;
    },
  };
}

function position(cursor: string): [at: Date, id: string] {
  const [text = '', id = ''] = fromCursor(cursor, 2);
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) fromCursor('', 2);
  return [at, id];
}

const instant = (at: Date | null): string | null => at?.toISOString() ?? null;

function keyOf({ id, tenant, name, role, collections, principals, created_by, ...at }: Row): ApiKey {
  return {
    id,
    tenant,
    name,
    role,
    collections,
    principals,
    createdAt: at.created_at.toISOString(),
    createdBy: created_by,
    expiresAt: instant(at.expires_at),
    revokedAt: instant(at.revoked_at),
    lastUsedAt: instant(at.last_used_at),
  };
}
