import { sql } from 'kysely';
import type { Database } from '../sql/database.ts';
import type { Answer, DeadLetter, DocumentStore } from './port.ts';
import type { Tables } from './tables.ts';
import { fromCursor, jsonb, storable, toCursor } from './text.ts';

/** Expired answers removed by the way, at most. */
const PURGE = 100;

/** Dead letters, newest first. The same letter again is ignored. */
export function deadLetters(
  database: Database,
): Pick<DocumentStore, 'addDeadLetter' | 'deadLetters' | 'deadLetter'> {
  const db = database.kysely<Tables>();
  return {
    async addDeadLetter({ tenant, id, event, code, message, destination, receivedAt }) {
      await db
        .insertInto('dead_letters')
        .values({
          tenant,
          id: storable(id),
          event: jsonb(event),
          code: storable(code),
          message: storable(message),
          destination: storable(destination),
          received_at: new Date(receivedAt),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },

    async deadLetters(tenant, { limit, cursor }) {
      let page = db
        .selectFrom('dead_letters')
        .selectAll()
        .where('tenant', '=', tenant)
        .orderBy('received_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1);
      if (cursor !== undefined) {
        const [at = '', id = ''] = fromCursor(cursor, 2);
        const received = new Date(at);
        if (Number.isNaN(received.getTime())) fromCursor('', 2);
        page = page.where(sql<boolean>`(received_at, id) < (${received}::timestamptz, ${id})`);
      }
      const rows = await page.execute();
      const items = rows.slice(0, limit).map(letterOf);
      const last = items.at(-1);
      return rows.length > limit && last ? { items, next: toCursor([last.receivedAt, last.id]) } : { items };
    },

    async deadLetter(tenant, id) {
      const row = await db
        .selectFrom('dead_letters')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('id', '=', storable(id))
        .executeTakeFirst();
      return row && letterOf(row);
    },
  };
}

function letterOf({
  received_at,
  ...row
}: Omit<DeadLetter, 'receivedAt'> & { received_at: Date }): DeadLetter {
  return { ...row, receivedAt: received_at.toISOString() };
}

/** Answers to questions that nobody waits for, until they expire. */
export function answers(
  database: Database,
): Pick<DocumentStore, 'createAnswer' | 'completeAnswer' | 'answer'> {
  const db = database.kysely<Tables>();
  return {
    async createAnswer(tenant, id, expiresAt) {
      await sql`delete from answers where (tenant, id) in (
        select tenant, id from answers where expires_at < now() limit ${PURGE}::integer for update skip locked
      )`.execute(db);
      await db
        .insertInto('answers')
        .values({ tenant, id, state: 'pending', result: null, expires_at: expiresAt })
        .execute();
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

    async answer(tenant, id) {
      const row = await db
        .selectFrom('answers')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('id', '=', storable(id))
        .where('expires_at', '>', sql<Date>`now()`)
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
