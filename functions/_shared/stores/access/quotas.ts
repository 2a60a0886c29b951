import type { Database } from '../sql/database.ts';
import { APPEND, appendAudit, auditJson } from './audit.ts';
import type { AccessStore, Quota, Usage } from './port.ts';

/** Rows that a tenant's usage is spread over: writers at the same time seldom meet on one. */
const SHARDS = 8;
const NONE: Quota = { documents: null, bytes: null, requestsPerSecond: null, questions: null };
const COLUMNS: readonly (readonly [name: keyof Quota, column: string])[] = [
  ['documents', 'documents'],
  ['bytes', 'bytes'],
  ['requestsPerSecond', 'requests_per_second'],
  ['questions', 'questions'],
];
const SUM = `select greatest(0, coalesce(sum(documents), 0))::bigint as documents,
  greatest(0, coalesce(sum(bytes), 0))::bigint as bytes from usage where tenant = $1`;

/** What a tenant may have, and what it has. */
export function quotas(
  database: Database,
): Pick<AccessStore, 'quota' | 'setQuota' | 'usage' | 'recordWrite'> {
  return {
    async quota(tenant) {
      const { rows } = await database.query<Quota>(
        `select documents, bytes, requests_per_second as "requestsPerSecond", questions
         from quotas where tenant = $1`,
        [tenant],
      );
      return rows[0] ?? NONE;
    },

    setQuota(tenant, quota, by) {
      const given = COLUMNS.flatMap(([name, column]) => {
        const limit = quota[name];
        return limit === undefined ? [] : [{ column, limit }];
      });
      const columns = ['tenant', ...given.map(({ column }) => column)];
      return database.transaction(async (tx) => {
        await tx.query(
          `insert into quotas (${columns}) values (${columns.map((_, index) => `$${index + 1}`)})
           on conflict (tenant) do update set ${columns.map((column) => `${column} = excluded.${column}`)}`,
          [tenant, ...given.map(({ limit }) => limit)],
        );
        await appendAudit(tx, [{ ...by, tenant, action: 'quota.set', details: { ...quota } }]);
      });
    },

    async usage(tenant) {
      return (await database.query<Usage>(SUM, [tenant])).rows[0] as Usage;
    },

    async recordWrite(tx, entry, { documents, bytes }) {
      // One round trip. The sum sees what was there before the statement.
      const { rows } = await tx.query<Usage>(
        `with counted as (
           insert into usage (tenant, shard, documents, bytes) values ($1, $2, $3, $4)
           on conflict (tenant, shard) do update set documents = usage.documents + excluded.documents,
             bytes = usage.bytes + excluded.bytes
         ), logged as (${APPEND('$5')})
         select greatest(0, coalesce(sum(documents), 0) + $3)::bigint as documents,
           greatest(0, coalesce(sum(bytes), 0) + $4)::bigint as bytes from usage where tenant = $1`,
        [entry.tenant, Math.floor(Math.random() * SHARDS), documents, bytes, auditJson([entry])],
      );
      return rows[0] as Usage;
    },
  };
}
