import { type Kysely, sql } from 'kysely';
import { type CloudEvent, eventName } from '../../events.ts';
import type { Queryable } from '../sql/database.ts';
import { type DocumentRef, type Said, UNFINISHED } from './records.ts';
import { send } from './sweep.ts';
import type { Tables } from './tables.ts';
import { jsonb } from './text.ts';

/**
 * Sends a version off that is not indexed; one that a failure had ended is open again. All that it waits for is made
 * anew from its document, since what the event held may be outdated.
 */
export async function reopen(tx: Queryable, ref: DocumentRef): Promise<void> {
  const { tenant, document, version } = ref;
  const db = tx.kysely<Tables>();
  const { numUpdatedRows } = await db
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
    .where('state', 'in', ['dead_lettered', ...UNFINISHED])
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  // Points of a version that had failed may have been cleared away since.
  await db
    .updateTable('chunks')
    .set({ indexed: false })
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .where('version', '=', version)
    .execute();
  await send(tx, [ref]);
}

/** Puts what a dead letter said into the outbox, as the event that it was, and opens the question again that its failure had ended. */
export async function sayAgain(db: Kysely<Tables>, tenant: string, event: CloudEvent): Promise<void> {
  const name = eventName(event.type);
  // Nothing here says events of other types, so nothing here can say them again.
  if (name === undefined) return;
  const subject = event.subject ?? '';
  if (name.startsWith('query.')) {
    await db
      .updateTable('answers')
      // It gets as much time again as it had.
      .set({
        state: 'pending',
        result: null,
        created_at: sql`now()`,
        expires_at: sql`greatest(expires_at, now() + (expires_at - created_at))`,
      })
      .where('tenant', '=', tenant)
      .where('id', '=', subject)
      .where('state', '=', 'failed')
      .execute();
  }
  const traceparent = typeof event.traceparent === 'string' ? event.traceparent : null;
  const { id, source, time } = event;
  const said: Said = { id, source, ...(time !== undefined && { time }) };
  await db
    .insertInto('outbox')
    .values({ tenant, name, subject, data: jsonb(event.data), traceparent, said: jsonb(said) })
    .execute();
}
