import type { Database, Queryable } from '../sql/database.ts';
import { putAgain, WAITS } from './outbox.ts';
import type { DocumentStore } from './port.ts';
import type { DocumentRef } from './records.ts';
import { UNFINISHED_SQL } from './tables.ts';

interface Stuck extends DocumentRef {
  collection: string;
  state: string;
  redrives: number;
}

/** Finds work that stands still, and sends it off again through the outbox. */
export function sweeping(
  database: Database,
): Pick<DocumentStore, 'redriveStuck' | 'redrive' | 'recordRemoved'> {
  return {
    redriveStuck({ afterMs, attempts, limit, foremost }) {
      return database.transaction(async (tx) => {
        const { rows } = await tx.query<Stuck>(STUCK, [afterMs, limit, foremost]);
        // A deletion is owed for ever: nobody could replay it.
        const mayGoOn = ({ state, redrives }: Stuck) => state === 'deleted' || redrives < attempts;
        const again = rows.filter(mayGoOn);
        await send(tx, again);
        await tx.query(
          `update versions v set redrives = redrives + 1, updated_at = now() where ${MATCHING}`,
          [refsJson(again)],
        );
        return { redriven: again.length, hopeless: rows.filter((row) => !mayGoOn(row)) };
      });
    },

    async redrive(refs) {
      await send(database, refs);
    },

    async recordRemoved({ tenant, document, version }) {
      await database.query(
        `update versions set removed = true, redrives = 0, updated_at = now()
         where tenant = $1 and document = $2 and version = $3 and state = 'deleted'`,
        [tenant, document, version],
      );
    },
  };
}

/** Has not moved for long enough, doubled for each time that it was sent off again. */
const STANDS = `greatest(v.updated_at, v.sent_at)
  < now() - $1::float8 * power(2, least(v.redrives, 12)) * interval '1 millisecond'`;

/**
 * What stands still. A version whose event waits in the outbox does not, and neither does one that only waits in the Broker
 * behind others: Brokers deliver about in the order in which they took events, so an event was lost when some that were
 * sent a good while later have ended, or when it is the foremost of those that are due. Else a backlog would multiply
 * itself.
 */
const STUCK = `
  with due as (
    select tenant, document, version, sent_at from versions v
    where state in ${UNFINISHED_SQL} and ${STANDS} and not ${WAITS}),
  overtaken as (
    select tenant, document, version from due
    where sent_at is null
      or sent_at < (select max(sent_at) from versions where state = 'indexed' and updated_at >= sent_at) - $1::float8 / 4 * interval '1 millisecond'
    limit $2),
  foremost as (select tenant, document, version from due order by sent_at limit $3),
  undeleted as (
    select tenant, document, version from versions v
    where state = 'deleted' and not removed and ${STANDS} and not ${WAITS}
    order by updated_at limit $2)
  select v.tenant, v.document, v.version, v.collection, v.state, v.redrives from versions v
  where (v.tenant, v.document, v.version) in
    (table overtaken union table foremost union table undeleted)
    and ${STANDS}
  limit $2 for update of v skip locked`;

const refsJson = (refs: readonly DocumentRef[]): string =>
  JSON.stringify(refs.map(({ tenant, document, version }) => ({ tenant, document, version })));

const MATCHING = `(v.tenant, v.document, v.version) in (select tenant, document, version
  from jsonb_to_recordset($1::jsonb) as given(tenant text, document text, version integer))`;

/** Says once more what each version waits for, unless that waits in the outbox already. */
export async function send(db: Queryable, refs: readonly DocumentRef[]): Promise<void> {
  if (refs.length > 0) await putAgain(db, MATCHING, [refsJson(refs)]);
}
