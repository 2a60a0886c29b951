import { sql } from 'kysely';
import { KnarrError } from '../../errors.ts';
import { emit } from '../../events.ts';
import type { Database } from '../sql/database.ts';
import { TURN, UNCLAIMED } from './claims.ts';
import { type Db, type Head, isOvertaken, lockHead, readHead, unchanged } from './head.ts';
import { claimKey, settleKey, underKey } from './idempotency.ts';
import { putOutbox } from './outbox.ts';
import type { Acceptance, DocumentStore, WriteOptions } from './port.ts';
import { isReadable } from './readable.ts';
import { type NewDocument, UNFINISHED } from './records.ts';
import type { Tables } from './tables.ts';
import { fingerprint, instant, jsonb, storable } from './text.ts';

/** Writes heads: the one place where versions are given out. */
export function acceptance(database: Database): Pick<DocumentStore, 'accept' | 'acceptedUnder' | 'remove'> {
  return {
    accept(given, { idempotencyKey: key, madeId = false, keyAlone = false, time, ...options } = {}) {
      const print = fingerprint(given);
      const said = instant(time);
      return database.transaction(async (tx) => {
        const db = tx.kysely<Tables>();
        if (key !== undefined) {
          const earlier = await claimKey(db, given, { key, print, madeId, keyAlone });
          if (earlier) return earlier;
        }
        const head = await lockHead(db, given.tenant, given.document);
        if (head && options.caller && !isReadable(head, options.caller)) {
          throw new KnarrError('forbidden', 'This document id is not yours to write.');
        }
        const stands = head && (await standing(db, given, print, head, said));
        const accepted = stands ?? (await write(db, given, print, head, said, options.traceparent));
        if (accepted.created) {
          const isNew = head === undefined || head.state === 'deleted';
          const bytes = given.bytes - (head?.bytes ?? 0);
          await options.within?.(tx, { acceptance: accepted, documents: isNew ? 1 : 0, bytes });
        }
        if (key !== undefined) await settleKey(db, given.tenant, key, accepted);
        return accepted;
      });
    },

    acceptedUnder: (tenant, key) => underKey(database.kysely<Tables>(), tenant, key),

    remove(tenant, document, { traceparent, caller, within }: WriteOptions = {}) {
      return database.transaction(async (tx) => {
        const db = tx.kysely<Tables>();
        const known = await db
          .selectFrom('documents')
          .select('head')
          .where('tenant', '=', tenant)
          .where('document', '=', document)
          .forUpdate()
          .executeTakeFirst();
        if (!known) return undefined;
        const head = await readHead(db, tenant, document, known.head);
        if (head.state === 'deleted' || (caller && !isReadable(head, caller))) return undefined;
        await supersede(db, tenant, document, head.version);
        // Their events hold the document's text.
        await db
          .deleteFrom('dead_letters')
          .where('tenant', '=', tenant)
          .where('subject', '=', document)
          .execute();
        const version = await writeTombstone(db, tenant, document, head.version);
        const { collection } = head;
        const event = emit('document.deleted', document, { document, version, collection });
        await putOutbox(db, tenant, event, { traceparent });
        const acceptance: Acceptance = { document, version, state: 'deleted', collection, created: true };
        await within?.(tx, { acceptance, documents: -1, bytes: -head.bytes });
        return acceptance;
      });
    },
  };
}

/** The answer of the head, if it is newer than what is submitted, or says the same and has not come to nothing. */
async function standing(
  db: Db,
  { tenant, document }: NewDocument,
  print: string,
  head: Head,
  said: Date | undefined,
): Promise<Acceptance | undefined> {
  if (said && isOvertaken(said, head)) return { ...unchanged(document, head), overtaken: true };
  if (head.fingerprint !== print || head.state === 'deleted' || head.state === 'dead_lettered')
    return undefined;
  // It was said once more: what was said between the two times is older now.
  await db
    .updateTable('versions')
    .set({ said_at: sql`greatest(said_at, created_at, ${timeOf(said)})` })
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .where('version', '=', head.version)
    .execute();
  return unchanged(document, head);
}

/** A clock that is ahead must not make everybody else late. */
const timeOf = (said: Date | undefined) => sql<Date>`least(${said ?? null}::timestamptz, now())`;

async function write(
  db: Db,
  given: NewDocument,
  print: string,
  head: Head | undefined,
  said: Date | undefined,
  traceparent: string | undefined,
): Promise<Acceptance> {
  const { tenant, document, collection } = given;
  const version = (head?.version ?? 0) + 1;
  // Held to the end: a rebuild that begins meanwhile waits, and finds the version.
  const generation = await activeGeneration(db, given);
  const turn = head && (await supersede(db, tenant, document, head.version));
  await db
    .insertInto('versions')
    .values({
      tenant,
      document,
      version,
      collection,
      generation,
      title: given.title === null ? null : storable(given.title),
      uri: given.uri === null ? null : storable(given.uri),
      content_type: given.contentType,
      content_hash: given.contentHash,
      bytes: given.bytes,
      original: given.original,
      metadata: jsonb(given.metadata),
      acl: given.acl.map(storable),
      fingerprint: print,
      said_at: timeOf(said),
      state: 'accepted',
    })
    .execute();
  await moveHead(db, tenant, document, version);
  const event = emit('document.accepted', document, { document, version, collection });
  await putOutbox(db, tenant, event, { traceparent, turn });
  return { document, version, state: 'accepted', collection, created: true };
}

/** The collection's generation: the first document of a collection settles it, a rebuild may change it. */
async function activeGeneration(db: Db, { tenant, collection, generation }: NewDocument): Promise<string> {
  const settled = await db
    .insertInto('collections')
    .values({ tenant, collection, generation })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant', 'collection'])
        .doUpdateSet((eb) => ({ generation: eb.ref('collections.generation') })),
    )
    .returning('generation')
    .executeTakeFirstOrThrow();
  return settled.generation;
}

/** Ends the version that was the head, unless it had ended badly before, and lets go of its text. Returns the turn that it still waited for, if it did. */
async function supersede(
  db: Db,
  tenant: string,
  document: string,
  version: number,
): Promise<number | undefined> {
  await db
    .updateTable('versions')
    .set({ state: 'superseded', updated_at: sql`now()` })
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .where('version', '=', version)
    .where('state', 'in', [...UNFINISHED, 'indexed'])
    .execute();
  const { rows } = await sql<{ turn: number | null }>`
    delete from outbox where tenant = ${tenant} and subject = ${document} collate "C"
      and name = 'document.accepted' and data->'version' = to_jsonb(${version}::integer)
    returning case when ${sql.raw(UNCLAIMED)} then ${sql.raw(TURN)} end as turn`.execute(db);
  await db
    .deleteFrom('chunks')
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .where('version', '=', version)
    .execute();
  return rows[0]?.turn ?? undefined;
}

/** Keeps who could read the document, and nothing of what it said. */
async function writeTombstone(db: Db, tenant: string, document: string, last: number): Promise<number> {
  const version = last + 1;
  await sql`
    insert into versions (tenant, document, version, collection, generation, content_type, content_hash,
      bytes, original, metadata, acl, fingerprint, state)
    select tenant, document, ${version}::integer, collection, generation, content_type, '', 0, '', '{}', acl, '', 'deleted'
    from versions where tenant = ${tenant} and document = ${document} and version = ${last}
  `.execute(db);
  await moveHead(db, tenant, document, version);
  return version;
}

async function moveHead(db: Db, tenant: string, document: string, head: number): Promise<void> {
  await db
    .updateTable('documents')
    .set({ head })
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .execute();
}
