import type { Kysely } from 'kysely';
import type { Emitted } from '../../events.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import { type Tables, UNFINISHED_SQL } from './tables.ts';
import { jsonb } from './text.ts';

/** Says something when, and only when, the transaction commits. `turn`: the place of what it replaces; else the last one. */
export async function putOutbox(
  db: Kysely<Tables>,
  tenant: string,
  { name, subject, data }: Emitted,
  { traceparent, turn }: { traceparent?: string | undefined; turn?: number | undefined },
): Promise<void> {
  await db
    .insertInto('outbox')
    .values({
      tenant,
      name,
      subject,
      data: jsonb(data),
      traceparent: traceparent ?? null,
      ...(turn !== undefined && { turn }),
    })
    .execute();
}

/**
 * Says once more, oldest first, what those versions `v` wait for that meet the condition, unless that waits in the outbox
 * already. Returns how many. `afresh`: for every chunk, although its vector is there. What is indexed is asked for again.
 */
export async function putAgain(
  db: Queryable,
  condition: string,
  params: readonly unknown[] = [],
  { afresh = false } = {},
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `with said as (
       insert into outbox (tenant, name, subject, data)
       select v.tenant, case v.state when 'deleted' then 'document.deleted' else 'document.accepted' end, v.document,
         jsonb_build_object('document', v.document, 'version', v.version, 'collection', v.collection)
           || case v.state when 'indexed' then '{"again": true}'::jsonb else '{}' end
           ${afresh ? `|| '{"afresh": true}'` : ''}
       from versions v where ${condition} and not ${WAITS}
       order by v.created_at
       returning tenant, subject, data->'version' as version),
     unsent as (
       update versions v set sent_at = null from said s
       where v.tenant = s.tenant and v.document = s.subject and to_jsonb(v.version) = s.version and v.sent_at is not null)
     select count(*)::integer as count from said`,
    params,
  );
  return rows[0]?.count ?? 0;
}

/** Whether an event of the version `v` waits in the outbox. */
export const WAITS = `exists (select from outbox o where o.tenant = v.tenant and o.subject = v.document
  and o.data->'version' = to_jsonb(v.version))`;

/** What waits to be said, and how much has not ended. */
export function outbox(
  database: Database,
): Pick<
  DocumentStore,
  'ackOutbox' | 'releaseOutbox' | 'outboxSize' | 'hasOutbox' | 'backlog' | 'queues' | 'requeueUnfinished'
> {
  return {
    async ackOutbox(ids) {
      if (ids.length === 0) return;
      // A version that somebody holds is left: its mark is of no use to whoever moves it now.
      await database.query(
        `with gone as (delete from outbox where id = any($1::bigint[]) returning tenant, subject, data),
         sent as (
           select v.tenant, v.document, v.version from versions v
           join gone g on v.tenant = g.tenant and v.document = g.subject and to_jsonb(v.version) = g.data->'version'
           where v.state in ${UNFINISHED_SQL} or (v.state = 'indexed' and g.data ? 'again') for update of v skip locked)
         update versions v set sent_at = now() from sent s
         where v.tenant = s.tenant and v.document = s.document and v.version = s.version`,
        [ids],
      );
    },

    async releaseOutbox(ids) {
      if (ids.length === 0) return;
      await database.query('update outbox set claimed_until = null where id = any($1::bigint[])', [ids]);
    },

    async outboxSize() {
      const { rows } = await database.query<{ size: number }>('select count(*)::integer as size from outbox');
      return rows[0]?.size ?? 0;
    },

    async hasOutbox() {
      const { rows } = await database.query<{ some: boolean }>('select exists (select from outbox) as some');
      return rows[0]?.some ?? false;
    },

    async backlog() {
      const { rows } = await database.query<{ tenant: string; documents: number }>(
        `select tenant, count(*)::integer as documents from versions
         where state in ${UNFINISHED_SQL} and not rebuilding group by tenant`,
      );
      return new Map(rows.map(({ tenant, documents }) => [tenant, documents]));
    },

    async queues() {
      const { rows } = await database.query<Awaited<ReturnType<DocumentStore['queues']>>>(
        `select count(*)::integer as unfinished,
           coalesce(extract(epoch from now() - min(updated_at)) * 1000, 0)::float8 as "oldestMs",
           (select count(*)::integer from outbox) as outbox,
           (select count(*)::integer from dead_letters where replayed_at is null) as "deadLetters"
         from versions where state in ${UNFINISHED_SQL}`,
      );
      return rows[0] ?? { unfinished: 0, oldestMs: 0, outbox: 0, deadLetters: 0 };
    },

    requeueUnfinished: () => putAgain(database, `v.state in ${UNFINISHED_SQL}`),
  };
}
