import { fromCursor, jsonb, storable, toCursor } from '../documents/text.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { AccessStore, AuditEntry, AuditFilter, AuditRecord } from './port.ts';

interface Row {
  id: number;
  tenant: string;
  at: Date;
  actor: string;
  action: string;
  target: string | null;
  denied: string | null;
  count: number;
  trace_id: string | null;
  details: Record<string, unknown>;
}

/** The log of writes, denials and administration. A trigger forbids to change or delete what it holds. */
export function auditLog(database: Database): Pick<AccessStore, 'audit' | 'auditLog'> {
  return {
    audit: (entries, tx = database) => appendAudit(tx, entries),

    async auditLog(tenant, { limit, cursor, ...filter }) {
      const params: unknown[] = [tenant, limit + 1];
      const conditions = conditionsOf(filter, params);
      if (cursor !== undefined) {
        const [id = ''] = fromCursor(cursor, 1);
        if (!/^\d{1,18}$/.test(id)) fromCursor('', 1);
        conditions.push(`id < $${params.push(id)}::bigint`);
      }
      const { rows } = await database.query<Row>(
        `select * from audit_log where ${['tenant = $1', ...conditions].join(' and ')} order by id desc limit $2`,
        params,
      );
      const items = rows.slice(0, limit).map(recordOf);
      const last = items.at(-1);
      return rows.length > limit && last ? { items, next: toCursor([last.id]) } : { items };
    },
  };
}

export async function appendAudit(db: Queryable, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await db.query(APPEND('$1'), [auditJson(entries)]);
}

/** The statement that appends the entries of a parameter, made by {@link auditJson}. */
export const APPEND = (parameter: string) =>
  `insert into audit_log (tenant, actor, action, target, denied, count, trace_id, details)
   select tenant, actor, action, target, denied, count, trace_id, details
   from jsonb_to_recordset(${parameter}::jsonb) as given(tenant text, actor text, action text, target text,
     denied text, count integer, trace_id text, details jsonb)`;

export const auditJson = (entries: readonly AuditEntry[]): string =>
  jsonb(
    entries.map(({ traceId, details = {}, count = 1, ...entry }) => ({
      ...entry,
      count,
      trace_id: traceId,
      details,
    })),
  );

function conditionsOf({ actor, action, target, outcome }: AuditFilter, params: unknown[]): string[] {
  const equal = Object.entries({ actor, action, target })
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => `${column} = $${params.push(storable(value as string))}`);
  if (outcome === undefined) return equal;
  return [...equal, outcome === 'denied' ? 'denied is not null' : 'denied is null'];
}

function recordOf({ id, at, target, denied, trace_id, ...row }: Row): AuditRecord {
  return {
    ...row,
    id: String(id),
    at: at.toISOString(),
    ...(target !== null && { target }),
    ...(denied !== null && { denied }),
    ...(trace_id !== null && { traceId: trace_id }),
  };
}
