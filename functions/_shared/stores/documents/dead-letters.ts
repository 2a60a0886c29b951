import { type Kysely, type Selectable, sql } from 'kysely';
import { type CloudEvent, eventName, eventType, OF_A_VERSION } from '../../events.ts';
import type { Database, Queryable } from '../sql/database.ts';
import { type Db, isOvertaken, readHead } from './head.ts';
import type { DeadLetterFilter, DocumentStore } from './port.ts';
import { mayReadLetter } from './readable.ts';
import type { DeadLetter, NewDeadLetter } from './records.ts';
import { reopen, sayAgain } from './replay.ts';
import type { Tables } from './tables.ts';
import { fromCursor, instant, jsonb, storable, toCursor } from './text.ts';

/** Dead letters, newest first. The same letter again is ignored; one of the same event that failed again after a replay is not. */
export function deadLetters(
  database: Database,
): Pick<DocumentStore, 'addDeadLetter' | 'deadLetters' | 'deadLetter' | 'replay' | 'purgeDeadLetters'> {
  const db = database.kysely<Tables>();
  return {
    addDeadLetter(letter) {
      return database.transaction(async (tx) => {
        const { tenant, id, event, code, message, destination, receivedAt } = letter;
        const db = tx.kysely<Tables>();
        const subject = subjectOf(event);
        if (await isOver(db, tenant, subject, event)) return false;
        if (await isReplayed(db, letter)) return false;
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
            subject,
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
        return true;
      });
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

    async replay(tenant, filter, limit, within) {
      const found = await matching(db, tenant, filter)
        .clearSelect()
        .select(['id', 'subject'])
        .orderBy('received_at')
        .limit(limit)
        .execute();
      let replayed = 0;
      for (const { id, subject } of found) {
        const isReplayed = await database.transaction(async (tx) => {
          const isThere = await replayOne(tx, tenant, { ...filter, id }, subject);
          if (isThere) await within?.(tx, id);
          return isThere;
        });
        if (isReplayed) replayed++;
      }
      return replayed;
    },

    async purgeDeadLetters({ replayedMs, keptMs }) {
      await sql`delete from dead_letters l
        where replayed_at < now() - ${replayedMs}::float8 * interval '1 millisecond'
        or (received_at < now() - ${keptMs}::float8 * interval '1 millisecond' and not (
          type = any(${OF_A_VERSION.map(eventType)}) and exists (select from documents d
            where d.tenant = l.tenant and d.document = l.subject and to_jsonb(d.head) = l.event->'data'->'version')
        ))`.execute(db);
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

/** The document that it is about, whatever its envelope says. */
function subjectOf({ type, subject, data }: CloudEvent): string | null {
  const document = (data as { document?: unknown } | null | undefined)?.document;
  const about = eventName(type) !== undefined && typeof document === 'string' ? document : subject;
  return about === undefined ? null : storable(about);
}

/**
 * Whether a replay would be in vain: a later version has taken the place of the event's, or the document was submitted
 * anew or deleted after it. Its text is then not kept. Holds the document, so that neither happens before the letter is there to be removed.
 */
async function isOver(
  db: Kysely<Tables>,
  tenant: string,
  subject: string | null,
  event: CloudEvent,
): Promise<boolean> {
  if (subject === null || !(isSubmission(event) || isOfVersion(event))) return false;
  const known = await headOf(db, tenant, subject).forShare().executeTakeFirst();
  if (!known) return false;
  if (!isSubmission(event)) return (versionIn(event) ?? known.head) < known.head;
  const said = instant(event.time);
  if (said) return isOvertaken(said, await readHead(db, tenant, subject, known.head));
  const deletion = await db
    .selectFrom('versions')
    .select('version')
    .where('tenant', '=', tenant)
    .where('document', '=', subject)
    .where('state', '=', 'deleted')
    .limit(1)
    .executeTakeFirst();
  return deletion !== undefined;
}

/**
 * Whether it was kept and replayed, and tells of an event that was said before: the version that it ended is open again. The
 * same event may have been said several times.
 */
async function isReplayed(db: Db, { tenant, id, event }: NewDeadLetter): Promise<boolean> {
  const said = instant(event.time);
  // A question is said again as it was, with the time that it had.
  if (!isOfVersion(event) || said === undefined) return false;
  // Held: a replay that is under way is waited for.
  const kept = await db
    .selectFrom('dead_letters')
    .select('replayed_at')
    .where('tenant', '=', tenant)
    .where('id', '=', storable(id))
    .forUpdate()
    .executeTakeFirst();
  return kept !== undefined && kept.replayed_at !== null && said <= kept.replayed_at;
}

/** False when the letter is gone, or was replayed by somebody else. */
async function replayOne(
  tx: Queryable,
  tenant: string,
  filter: DeadLetterFilter & { id: string },
  subject: string | null,
): Promise<boolean> {
  const db = tx.kysely<Tables>();
  // The document before its letter, as a deletion takes them: what is reopened stays the head until the commit.
  const head =
    subject === null ? undefined : await headOf(db, tenant, subject).forUpdate().executeTakeFirst();
  const letter = await matching(db, tenant, filter).forUpdate().executeTakeFirst();
  if (!letter) return false;
  // A letter was received after its event was said.
  const said = instant(letter.event.time) ?? letter.received_at;
  const event = { ...letter.event, time: said.toISOString() };
  if (isOfVersion(event)) {
    const version = versionIn(event);
    if (subject !== null && version !== undefined && version === head?.head) {
      await reopen(tx, { tenant, document: subject, version });
    }
  } else {
    const isLate =
      isSubmission(event) &&
      subject !== null &&
      head !== undefined &&
      isOvertaken(said, await readHead(db, tenant, subject, head.head));
    if (!isLate) await sayAgain(db, tenant, event);
  }
  await tx.query('update dead_letters set replayed_at = now() where tenant = $1 and id = $2', [
    tenant,
    filter.id,
  ]);
  return true;
}

const headOf = (db: Kysely<Tables>, tenant: string, document: string) =>
  db
    .selectFrom('documents')
    .select('head')
    .where('tenant', '=', tenant)
    .where('document', '=', storable(document));

const isSubmission = ({ type }: CloudEvent): boolean => eventName(type) === 'document.submitted';

function isOfVersion(event: CloudEvent): boolean {
  const name = eventName(event.type);
  return name !== undefined && OF_A_VERSION.includes(name);
}

function versionIn({ data }: CloudEvent): number | undefined {
  const version = (data as { version?: unknown } | null | undefined)?.version;
  return typeof version === 'number' ? version : undefined;
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
