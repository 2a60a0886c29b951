import type { Kysely } from 'kysely';
import type { Acceptance } from './port.ts';
import type { DocumentState } from './records.ts';
import type { Tables } from './tables.ts';

/** The store's tables, within a transaction or without. */
export type Db = Kysely<Tables>;

/** What a write has to know of the version that it replaces. */
export interface Head {
  version: number;
  state: DocumentState;
  collection: string;
  fingerprint: string;
  bytes: number;
  acl: string[];
  /** When it was said: by its event, or as it was created. */
  saidAt: Date;
}

/** Whether the head was said later. Of a deletion and a submission at the same time, the deletion counts as the later one. */
export const isOvertaken = (said: Date, head: Head): boolean =>
  head.state === 'deleted' ? head.saidAt >= said : head.saidAt > said;

/** The answer of a write that writes nothing. */
export const unchanged = (document: string, { version, state, collection }: Head): Acceptance => ({
  document,
  version,
  state,
  collection,
  created: false,
});

/** Makes the document's row when it is new and holds it until the transaction ends: one writer of a head at a time. */
export async function lockHead(db: Db, tenant: string, document: string): Promise<Head | undefined> {
  const { head } = await db
    .insertInto('documents')
    .values({ tenant, document, head: 0 })
    .onConflict((conflict) =>
      conflict.columns(['tenant', 'document']).doUpdateSet((eb) => ({ head: eb.ref('documents.head') })),
    )
    .returning('head')
    .executeTakeFirstOrThrow();
  return head === 0 ? undefined : readHead(db, tenant, document, head);
}

export const readHead = (db: Db, tenant: string, document: string, version: number): Promise<Head> =>
  db
    .selectFrom('versions')
    .select(['version', 'state', 'collection', 'fingerprint', 'bytes', 'acl'])
    .select((eb) => eb.fn.coalesce('said_at', 'created_at').as('saidAt'))
    .where('tenant', '=', tenant)
    .where('document', '=', document)
    .where('version', '=', version)
    .executeTakeFirstOrThrow();
