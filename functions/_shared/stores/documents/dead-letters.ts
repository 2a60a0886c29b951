import { type Kysely, type Selectable, sql } from 'kysely';
import { type EventName, eventName } from '../../events.ts';
import type { Database } from '../sql/database.ts';
import type { DeadLetter, DeadLetterFilter, DocumentStore } from './port.ts';
import { mayReadLetter } from './readable.ts';
import { send } from './sweep.ts';
import type { Tables } from './tables.ts';
import { fromCursor, jsonb, storable, toCursor } from './text.ts';

/** Events that a version waits for: they are made anew from the document, since what they held may be outdated. */
const OF_A_VERSION: readonly EventName[] = ['document.accepted', 'chunks.created', 'chunks.embedded'];

/** Dead letters, newest first. The same letter again is ignored, unless it had been replayed. */
export function deadLetters(
  database: Database,
): Pick<DocumentStore, 'addDeadLetter' | 'deadLetters' | 'deadLetter' | 'replay' | 'purgeDeadLetters'> {
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
          type: storable(event.type),
          subject: event.subject === undefined ? null : storable(event.subject),
        })
        .onConflict((conflict) =>
          conflict
            .columns(['tenant', 'id'])
            .doUpdateSet((eb) => ({
              event: eb.ref('excluded.event'),
              code: eb.ref('excluded.code'),
              message: eb.ref('excluded.message'),
              received_at: eb.ref('excluded.received_at'),
              attempts: eb('dead_letters.attempts', '+', 1),
              replayed_at: null,
            }))
            .where('dead_letters.replayed_at', 'is not', null),
        )
        .execute();
    },

    async deadLetters(tenant, { limit, cursor, ...filter }) {
      let page = matching(db, tenant, filter)
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
      const row = await matching(db, tenant, { id }).executeTakeFirst();
      return row && letterOf(row);
    },

    replay(tenant, filter, limit) {
      return database.transaction(async (tx) => {
        const rows = await matching(tx.kysely<Tables>(), tenant, filter)
          .orderBy('received_at')
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute();
        for (const { id, event } of rows) {
          await sayAgain(tx.kysely<Tables>(), tenant, event, (refs) => send(tx, refs));
          await tx.query('update dead_letters set replayed_at = now() where tenant = $1 and id = $2', [
            tenant,
            id,
          ]);
        }
        return rows.length;
      });
    },

    async purgeDeadLetters(olderThanMs) {
      await sql`delete from dead_letters
        where replayed_at < now() - ${olderThanMs}::float8 * interval '1 millisecond'`.execute(db);
    },
  };
}

function matching(
  db: Kysely<Tables>,
  tenant: string,
  { id, type, code, subject, readableBy }: DeadLetterFilter,
) {
  let query = db
    .selectFrom('dead_letters')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('replayed_at', 'is', null);
  if (id !== undefined) query = query.where('id', '=', storable(id));
  if (type !== undefined) query = query.where('type', '=', storable(type));
  if (code !== undefined) query = query.where('code', '=', storable(code));
  if (subject !== undefined) query = query.where('subject', '=', storable(subject));
  if (readableBy !== undefined) query = query.where(mayReadLetter(readableBy));
  return query;
}

/** Puts what a dead letter said into the outbox, and opens again what its failure had ended. */
async function sayAgain(
  db: Kysely<Tables>,
  tenant: string,
  event: DeadLetter['event'],
  sendVersions: (refs: { tenant: string; document: string; version: number }[]) => Promise<number>,
): Promise<void> {
  const name = eventName(event.type);
  // Nothing here says events of other types, so nothing here can say them again.
  if (name === undefined) return;
  const data = event.data as { document?: string; version?: number } | undefined;
  if (OF_A_VERSION.includes(name)) {
    if (typeof data?.document !== 'string' || typeof data.version !== 'number') return;
    const { document, version } = data;
    const reopened = await db
      .updateTable('versions')
      .set({
        state: 'accepted',
        error_code: null,
        error_message: null,
        redrives: 0,
        updated_at: sql`now()`,
      })
      .where('tenant', '=', tenant)
      .where('document', '=', document)
      .where('version', '=', version)
      .where('state', '=', 'dead_lettered')
      .where(
        'version',
        '=',
        db
          .selectFrom('documents')
          .select('head')
          .where('tenant', '=', tenant)
          .where('document', '=', document),
      )
      .executeTakeFirst();
    if (reopened.numUpdatedRows === 0n) return;
    // Points of a version that had failed may have been cleared away since.
    await db
      .updateTable('chunks')
      .set({ indexed: false })
      .where('tenant', '=', tenant)
      .where('document', '=', document)
      .where('version', '=', version)
      .execute();
    await sendVersions([{ tenant, document, version }]);
    return;
  }
  const subject = event.subject ?? '';
  if (name.startsWith('query.')) {
    await db
      .updateTable('answers')
      .set({ state: 'pending', result: null })
      .where('tenant', '=', tenant)
      .where('id', '=', subject)
      .where('state', '=', 'failed')
      .execute();
  }
  const traceparent = typeof event.traceparent === 'string' ? event.traceparent : null;
  await db
    .insertInto('outbox')
    .values({ tenant, name, subject, data: jsonb(event.data), traceparent })
    .execute();
}

function letterOf({
  received_at,
  replayed_at: _,
  type: __,
  subject: ___,
  ...row
}: Selectable<Tables['dead_letters']>): DeadLetter {
  return { ...row, receivedAt: received_at.toISOString() };
}
