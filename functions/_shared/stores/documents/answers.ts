import { type Kysely, sql } from 'kysely';
import type { Database } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import type { Answer } from './records.ts';
import type { Tables } from './tables.ts';
import { jsonb, storable } from './text.ts';

/** Expired answers removed by the way, at most. */
const PURGE = 100;

/** Answers to questions that nobody waits for, until they expire. */
export function answers(
  database: Database,
): Pick<DocumentStore, 'createAnswer' | 'completeAnswer' | 'answer'> {
  const db = database.kysely<Tables>();
  return {
    async createAnswer({ tenant, principals }, id, expiresAt, limit) {
      await sql`delete from answers where (tenant, id) in (
        select tenant, id from answers where expires_at < now() limit ${PURGE}::integer for update skip locked
      )`.execute(db);
      return database.transaction(async (tx) => {
        const db = tx.kysely<Tables>();
        if (limit && (await pendingOf(db, tenant, limit.keptMs)) >= limit.most) return false;
        await db
          .insertInto('answers')
          .values({
            tenant,
            id,
            principals: [...principals],
            state: 'pending',
            result: null,
            expires_at: expiresAt,
          })
          .execute();
        return true;
      });
    },

    async completeAnswer(tenant, id, state, result) {
      await db
        .updateTable('answers')
        .set({ state, result: jsonb(result) })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .execute();
    },

    async answer({ tenant, principals }, id) {
      const row = await db
        .selectFrom('answers')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('id', '=', storable(id))
        .where('expires_at', '>', sql<Date>`now()`)
        .where(sql<boolean>`principals <@ ${[...principals]}::text[]`)
        .executeTakeFirst();
      if (!row) return undefined;
      const { created_at, expires_at, ...answer } = row;
      return {
        ...answer,
        createdAt: created_at.toISOString(),
        expiresAt: expires_at.toISOString(),
      } satisfies Answer;
    },
  };
}

/** How many questions of a tenant are being answered; nobody else counts them until the transaction ends. */
async function pendingOf(db: Kysely<Tables>, tenant: string, keptMs: number): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`answers of ${tenant}`}, 0))`.execute(db);
  const { count } = await db
    .selectFrom('answers')
    .select(sql<number>`count(*)::integer`.as('count'))
    .where('tenant', '=', tenant)
    .where('state', '=', 'pending')
    .where('expires_at', '>', sql<Date>`now() + ${keptMs}::float8 * interval '1 millisecond'`)
    .executeTakeFirstOrThrow();
  return count;
}
