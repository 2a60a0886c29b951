import type { Kysely } from 'kysely';
import type { Emitted } from '../../events.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import type { OutboxEntry } from './records.ts';
import type { Tables } from './tables.ts';
import { jsonb } from './text.ts';

/** Says something when, and only when, the transaction commits. */
export async function putOutbox(
  db: Kysely<Tables>,
  tenant: string,
  { name, subject, data }: Emitted,
  traceparent: string | undefined,
): Promise<void> {
  await db
    .insertInto('outbox')
    .values({ tenant, name, subject, data: jsonb(data), traceparent: traceparent ?? null })
    .execute();
}

/**
 * Says once more, oldest first, what those versions `v` wait for that meet the condition, unless that waits in the outbox
 * already. Returns how many. `afresh`: for every chunk, although its vector is there.
 */
export async function putAgain(
  db: Queryable,
  condition: string,
  params: readonly unknown[] = [],
  { afresh = false } = {},
): Promise<number> {
  const { affected } = await db.query(
    `insert into outbox (tenant, name, subject, data)
     select v.tenant, case v.state when 'deleted' then 'document.deleted' else 'document.accepted' end, v.document,
       jsonb_build_object('document', v.document, 'version', v.version, 'collection', v.collection)
         ${afresh ? `|| '{"afresh": true}'` : ''}
     from versions v where ${condition} and not ${WAITS}
     order by v.created_at`,
    params,
  );
  return affected;
}

/** Whether an event of the version `v` waits in the outbox. */
export const WAITS = `exists (select from outbox o where o.tenant = v.tenant and o.subject = v.document
  and o.data->'version' = to_jsonb(v.version))`;

interface Row {
  id: number;
  tenant: string;
  name: Emitted['name'];
  subject: string;
  data: Emitted['data'];
  traceparent: string | null;
  attempts: number;
}

/** `claimMs`: how long a relay has to acknowledge what it claimed, milliseconds. */
export function outbox(
  database: Database,
  claimMs: number,
): Pick<DocumentStore, 'claimOutbox' | 'ackOutbox' | 'outboxSize' | 'requeueUnfinished'> {
  return {
    async claimOutbox(limit) {
      const { rows } = await database.query<Row>(
        `with free as (
           select id from outbox where claimed_until is null or claimed_until < now()
           order by id limit $1 for update skip locked
         )
         update outbox set claimed_until = now() + $2::float8 * interval '1 millisecond', attempts = attempts + 1
         from free where outbox.id = free.id
         returning outbox.id, tenant, name, subject, data, traceparent, attempts`,
        [limit, claimMs],
      );
      return rows.sort((a, b) => a.id - b.id).map(entryOf);
    },

    async ackOutbox(ids) {
      if (ids.length > 0) await database.query('delete from outbox where id = any($1::bigint[])', [ids]);
    },

    async outboxSize() {
      const { rows } = await database.query<{ size: number }>('select count(*)::integer as size from outbox');
      return rows[0]?.size ?? 0;
    },

    requeueUnfinished: () => putAgain(database, "v.state in ('accepted', 'chunked', 'embedded')"),
  };
}

function entryOf({ id, tenant, name, subject, data, traceparent, attempts }: Row): OutboxEntry {
  return { id: String(id), tenant, emitted: { name, subject, data }, traceparent, attempts };
}
