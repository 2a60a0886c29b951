import type { Emitted } from '../../events.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import type { OutboxEntry, Said } from './records.ts';
import { UNFINISHED_SQL } from './tables.ts';

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

export interface ClaimLimits {
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
export const UNCLAIMED = '(claimed_until is null or claimed_until < now())';
/** As the indexes have it. */
export const TURN = 'coalesce(turn, outbox.id)';

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
      (select id, tenant, ${TURN} as turn, true as is_document from outbox
       where tenant = t.tenant and name = 'document.accepted' and ${UNCLAIMED} order by ${TURN} limit $1)
      union all
      (select id, tenant, ${TURN} as turn, false as is_document from outbox
       where tenant = t.tenant and name <> 'document.accepted' and ${UNCLAIMED} order by ${TURN} limit $1)) o
    left join in_flight f on f.tenant = o.tenant),
  placed as (
    select id, turn, share, is_document, row_number() over (partition by is_document order by share, turn) as place from waiting),
  chosen as (
    select id from placed
    where not is_document or place <= $3 - (select coalesce(sum(documents), 0) from in_flight)
    order by share, turn limit $1)
  update outbox set claimed_until = now() + $2::float8 * interval '1 millisecond', attempts = attempts + 1
  from chosen where outbox.id = chosen.id
  returning outbox.id, ${TURN} as turn, tenant, name, subject, data, traceparent, attempts, said`;

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

/** Who is next: rows of the outbox for a relay to publish. */
export function claims(
  database: Database,
  { claimMs = 30_000, maxInFlight = 128, tenantsAtOnce = 1000 }: ClaimLimits,
): Pick<DocumentStore, 'claimOutbox'> {
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
  };
}

function entryOf({ id, turn: _, name, subject, data, said, ...row }: Row): OutboxEntry {
  return { ...row, id: String(id), emitted: { name, subject, data }, ...(said && { said }) };
}
