import { type RawBuilder, sql } from 'kysely';
import type { Caller } from '../../stage.ts';

/** Whether the caller may read the row of `versions`: one of its principals is on the list, and the collection is within its reach. */
export const mayRead = ({ principals, collections }: Caller) =>
  collections === undefined
    ? sql<boolean>`versions.acl && ${[...principals]}::text[]`
    : sql<boolean>`(versions.acl && ${[...principals]}::text[] and versions.collection = any(${[...collections]}::text[]))`;

/** The same for a version at hand. */
export const isReadable = (
  { acl, collection }: { acl: readonly string[]; collection: string },
  { principals, collections }: Caller,
): boolean =>
  acl.some((principal) => principals.includes(principal)) &&
  (collections === undefined || collections.includes(collection));

/**
 * Whether the caller may read what the row of `dead_letters` carries. Of a document: the version that it is about, and
 * what that document is now. Of a submission: as it was to be readable. Of a question: with every principal of its asker's.
 */
export const mayReadLetter = ({ tenant, principals, collections }: Caller) => {
  const mine = sql`${[...principals]}::text[]`;
  const data = sql`dead_letters.event->'data'`;
  const reaches = (collection: RawBuilder<unknown>) =>
    collections === undefined ? sql`true` : sql`${collection} = any(${[...collections]}::text[])`;
  const within = reaches(sql`coalesce(${data}->>'collection', 'default')`);
  const readable = sql`v.tenant = ${tenant} and v.document = dead_letters.subject and v.acl && ${mine}
    and ${reaches(sql`v.collection`)}`;
  return sql<boolean>`(${within} and case
    when type like 'dev.knarr.query.%' then ${data}->'principals' <@ to_jsonb(${mine})
    when type = 'dev.knarr.document.submitted.v1' then coalesce(${data}->'acl', '["*"]') ?| ${mine}
      or ${data}->'submitter'->'principals' <@ to_jsonb(${mine})
    else exists (select from versions v where ${readable} and to_jsonb(v.version) = ${data}->'version')
      and exists (select from versions v join documents d using (tenant, document)
        where ${readable} and v.version = d.head)
    end is true)`;
};
