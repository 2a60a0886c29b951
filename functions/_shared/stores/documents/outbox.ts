import type { Kysely } from 'kysely';
import type { Emitted } from '../../events.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import { type OutboxEntry, type Said, UNFINISHED } from './records.ts';
import type { Tables } from './tables.ts';
import { jsonb } from './text.ts';

/** States of a version that has not ended, as SQL; indexes have them in this order. */
export const UNFINISHED_SQL = `('${UNFINISHED.join("', '")}')`;

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

interface Row {
  id: number;
  turn: number;
  tenant: string;
  name: Emitted['name'];
  subject: string;
  data: Emitted['data'];
  traceparent: string | null;
  attempts: number;
  said: Said | null;
}

export interface OutboxLimits {
  /** How long a relay has to acknowledge what it claimed, milliseconds. Default 30,000. */
  claimMs?: number | undefined;
  /** Documents on their way through the Broker at once, about. Default 128. */
  maxInFlight?: number | undefined;
  /** Tenants that one claim looks at; the next one goes on behind them. Default 1000. */
  tenantsAtOnce?: number | undefined;
}

/** What was sent longer ago and has not ended is slow or lost, and makes room for others; milliseconds. */
const IN_FLIGHT_MS = 60_000;

/** As the index has it: what is indexed is on its way again until it has been read. */
const IN_FLIGHT = `(state in ${UNFINISHED_SQL} or (state = 'indexed' and sent_at > updated_at))`;
const UNCLAIMED = '(claimed_until is null or claimed_until < now())';

/**
 * Rows of the tenants $5 to claim: $1 at most, claimed for $2 ms, with $3 documents on their way that were sent within
 * $4 ms. A row's share is how many documents its tenant has under way with it and those before it.
 */
const CLAIM = `
  with in_flight as (
    select tenant, count(*)::integer as documents from versions
    where ${IN_FLIGHT} and sent_at > now() - $4::float8 * interval '1 millisecond'
    group by tenant),
  waiting as (
    select o.id, o.is_document, o.turn,
      coalesce(f.documents, 0) + row_number() over (partition by o.tenant, o.is_document order by o.turn) as share
    from unnest($5::text[]) as t(tenant)
    cross join lateral (
      (select id, tenant, turn, true as is_document from outbox o
       where o.tenant = t.tenant and name = 'document.accepted' and ${UNCLAIMED} order by turn limit $1)
      union all
      (select id, tenant, turn, false as is_document from outbox o
       where o.tenant = t.tenant and name <> 'document.accepted' and ${UNCLAIMED} order by turn limit $1)) o
    left join in_flight f on f.tenant = o.tenant),
  placed as (
    select id, turn, share, is_document, row_number() over (partition by is_document order by share, turn) as place from waiting),
  chosen as (
    select id from placed
    where not is_document or place <= $3 - (select coalesce(sum(documents), 0) from in_flight)
    order by share, turn limit $1)
  update outbox set claimed_until = now() + $2::float8 * interval '1 millisecond', attempts = attempts + 1
  from chosen where outbox.id = chosen.id
  returning outbox.id, outbox.turn, tenant, name, subject, data, traceparent, attempts, said`;

/** The next $2 tenants behind $1 for whom something waits, found by skipping along the index. */
const TENANTS = `
  with recursive walk as (
    select min(tenant) as tenant, 1 as place from outbox where tenant > $1
    union all
    select (select min(o.tenant) from outbox o where o.tenant > w.tenant), place + 1
    from walk w where w.tenant is not null and place < $2)
  select tenant from walk where tenant is not null order by tenant`;

/** Tenants for whom something waits, behind the last one of the time before and then from the beginning. */
async function waitingTenants(tx: Queryable, last: string, limit: number): Promise<string[]> {
  const behind = async (from: string) => {
    const { rows } = await tx.query<{ tenant: string }>(TENANTS, [from, limit]);
    return rows.map(({ tenant }) => tenant);
  };
  const found = await behind(last);
  if (last !== '' && found.length < limit) found.push(...(await behind('')));
  return [...new Set(found)].slice(0, limit);
}

export function outbox(
  database: Database,
  { claimMs = 30_000, maxInFlight = 128, tenantsAtOnce = 1000 }: OutboxLimits,
): Pick<
  DocumentStore,
  | 'claimOutbox'
  | 'ackOutbox'
  | 'releaseOutbox'
  | 'outboxSize'
  | 'hasOutbox'
  | 'backlog'
  | 'queues'
  | 'requeueUnfinished'
> {
  let lastTenant = '';
  return {
    async claimOutbox(limit) {
      const { rows } = await database.transaction(async (tx) => {
        // One relay after the other, each seeing what the one before has taken.
        await tx.query(`select pg_advisory_xact_lock(hashtextextended('outbox', 0))`);
        const tenants = await waitingTenants(tx, lastTenant, tenantsAtOnce);
        lastTenant = tenants.length === tenantsAtOnce ? (tenants.at(-1) ?? '') : '';
        if (tenants.length === 0) return { rows: [] };
        return tx.query<Row>(CLAIM, [limit, claimMs, maxInFlight, IN_FLIGHT_MS, tenants]);
      });
      return rows.sort((a, b) => a.turn - b.turn).map(entryOf);
    },

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

function entryOf({ id, turn: _, name, subject, data, said, ...row }: Row): OutboxEntry {
  return { ...row, id: String(id), emitted: { name, subject, data }, ...(said && { said }) };
}
