import type { Database, Queryable } from '../sql/database.ts';
import { putAgain } from './outbox.ts';
import type { DocumentStore } from './port.ts';

interface Rebuild {
  tenant: string;
  collection: string;
  generation: string;
  done_to: string;
}

/** Versions that a rebuild concerns; as the index `versions_collection` has it. */
const STANDING = "state not in ('superseded', 'deleted')";

/**
 * Builds collections anew, in batches of documents by their ids: each is a transaction of its own, and the ledger has where
 * the next one goes on. So it takes as long as it takes, nobody else waits for more than a batch, and whoever comes next
 * goes on with what was left.
 */
export function rebuilds(database: Database): Pick<DocumentStore, 'beginRebuild' | 'goOnRebuilding'> {
  return {
    async beginRebuild({ tenant, collection, generation }, within) {
      // Waits for writes that still go by the generation before: there are none afterwards.
      await database.transaction(async (tx) => {
        await tx.query(
          `with old as (
             select collection, generation from collections where tenant = $1 and ($2::text is null or collection = $2)
             order by collection for update),
           moved as (
             update collections c set generation = $3 from old
             where c.tenant = $1 and c.collection = old.collection and c.generation <> $3)
           insert into rebuilds as r (tenant, collection, generation, moves)
           select $1, collection, $3, generation <> $3 from old
           on conflict (tenant, collection) do update set generation = excluded.generation,
             moves = r.moves or excluded.moves,
             done_to = case r.generation when excluded.generation then r.done_to else '' end`,
          [tenant, collection ?? null, generation],
        );
        await within?.(tx);
      });
    },

    async goOnRebuilding(
      { tenant, collection } = {},
      { documents = 200, chunks = 10_000, waiting = 1000 } = {},
    ) {
      const which = [tenant ?? null, collection ?? null];
      let waits = false;
      const sent = await database.transaction(async (tx) => {
        const { rows } = await tx.query<Rebuild>(
          `select tenant, collection, generation, done_to from rebuilds where ${OF}
           order by gone_on_at limit 1 for update`,
          which,
        );
        const [rebuild] = rows;
        if (!rebuild) return 0;
        waits = await hasWaiting(tx, rebuild.tenant, waiting);
        if (!waits) return batch(tx, rebuild, documents, chunks);
        // The next time another one's turn comes first.
        await tx.query(`update rebuilds set gone_on_at = clock_timestamp() where ${SAME}`, [
          rebuild.tenant,
          rebuild.collection,
        ]);
        return 0;
      });
      const { rows } = await database.query<{ more: boolean }>(
        `select exists (select from rebuilds where ${OF}) as more`,
        which,
      );
      return { sent, waits, more: rows[0]?.more ?? false };
    },
  };
}

/** Whether so many documents of the tenant wait in the outbox: what is written meanwhile comes behind them. */
async function hasWaiting(tx: Queryable, tenant: string, most: number): Promise<boolean> {
  const { rows } = await tx.query<{ count: number }>(
    `select count(*)::integer as count from (
       select from outbox where tenant = $1 and name = 'document.accepted' limit $2) as waiting`,
    [tenant, most],
  );
  return (rows[0]?.count ?? 0) >= most;
}

const SAME = 'tenant = $1 and collection = $2';
const OF = '($1::text is null or tenant = $1) and ($2::text is null or collection = $2)';
const IN_BATCH = `${SAME} and document > $3 and document <= $4 and ${STANDING}`;

/** The next documents of a rebuild that is held by the transaction; of chunks about so many. Returns how many were sent off. */
async function batch(tx: Queryable, rebuild: Rebuild, documents: number, chunks: number): Promise<number> {
  const { tenant, collection, generation, done_to } = rebuild;
  const { rows } = await tx.query<{ last: string | null }>(
    `select max(document) as last from (
       select document, sum(chunks) over (order by document, version) - chunks as before from (
         select document, version, chunks from versions
         where tenant = $1 and collection = $2 and document > $3 and ${STANDING}
         order by document, version limit $4) as page) as counted
     where before < $5`,
    [tenant, collection, done_to, documents, chunks],
  );
  const last = rows[0]?.last ?? null;
  if (last === null) {
    await tx.query(`delete from rebuilds where ${SAME}`, [tenant, collection]);
    return 0;
  }
  const range = [tenant, collection, done_to, last];
  await move(tx, [...range, generation]);
  const condition = `(state = 'indexed' or (state = 'accepted' and rebuilding)) and ${IN_BATCH}`;
  const sent = await putAgain(tx, condition, range, { afresh: true });
  await tx.query(`update rebuilds set done_to = $3, gone_on_at = clock_timestamp() where ${SAME}`, [
    tenant,
    collection,
    last,
  ]);
  return sent;
}

/**
 * Moves versions of another generation to this one: what was indexed is `accepted` again. What had failed stays failed, and
 * can be replayed into it.
 */
async function move(tx: Queryable, range: readonly string[]): Promise<void> {
  await tx.query(
    `with moved as (
       update versions v set generation = $5, rebuilding = true, indexed_chunks = 0, redrives = 0, updated_at = now(),
         state = case state when 'dead_lettered' then state else 'accepted' end
       where ${IN_BATCH} and generation <> $5
       returning tenant, document, version)
     update chunks c set indexed = false from moved m
     where c.tenant = m.tenant and c.document = m.document and c.version = m.version and c.indexed`,
    range,
  );
}
