import type { Database } from '../sql/database.ts';
import { APPEND, appendAudit, auditJson } from './audit.ts';
import type { AccessStore, Quota, Usage } from './port.ts';

/** Rows that a tenant's usage is spread over: writers at the same time seldom meet on one. */
const SHARDS = 8;
const NONE: Quota = { documents: null, bytes: null, requestsPerSecond: null, questions: null };
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
      const { documents, bytes, requestsPerSecond, questions } = quota;
      return database.transaction(async (tx) => {
        await tx.query(
          `insert into quotas (tenant, documents, bytes, requests_per_second, questions) values ($1, $2, $3, $4, $5)
           on conflict (tenant) do update set documents = excluded.documents, bytes = excluded.bytes,
             requests_per_second = excluded.requests_per_second, questions = excluded.questions`,
          [tenant, documents, bytes, requestsPerSecond, questions],
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
