import { type Kysely, type Selectable, sql } from 'kysely';
import type { Caller } from '../../stage.ts';
import type { Database } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import { mayRead } from './readable.ts';
import { type DocumentRecord, UNFINISHED } from './records.ts';
import { type Tables, UNFINISHED_SQL } from './tables.ts';
import { fromCursor, storable, toCursor } from './text.ts';

/** Reads versions, and ends those that fail. */
export function versions(
  database: Database,
): Pick<
  DocumentStore,
  | 'head'
  | 'current'
  | 'version'
  | 'history'
  | 'list'
  | 'generationOf'
  | 'activeIndex'
  | 'collections'
  | 'mayEnter'
  | 'fail'
> {
  const db = database.kysely<Tables>();
  return {
    async head(caller, document) {
      const row = await heads(db, caller).where('versions.document', '=', document).executeTakeFirst();
      return row && recordOf(row);
    },

    async current(tenant, document) {
      const row = await currentOf(db, tenant).where('versions.document', '=', document).executeTakeFirst();
      return row && recordOf(row);
    },

    async version({ tenant, document, version }) {
      const row = await db
        .selectFrom('versions')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('document', '=', document)
        .where('version', '=', version)
        .executeTakeFirst();
      return row && recordOf(row);
    },

    async history(caller, document, { limit, below = 2 ** 31 - 1 }) {
      const readable = heads(db, caller)
        .where('versions.document', '=', document)
        .clearSelect()
        .select('versions.document');
      const rows = await db
        .selectFrom('versions')
        .selectAll()
        .where('tenant', '=', caller.tenant)
        .where('document', 'in', readable)
        .where('version', '<', below)
        .where(mayRead(caller))
        .orderBy('version', 'desc')
        .limit(limit)
        .execute();
      return rows.map(recordOf);
    },

    async list(caller, { collection, state, limit, cursor }) {
      let page = heads(db, caller)
        .orderBy('versions.document')
        .limit(limit + 1);
      if (collection !== undefined) page = page.where('versions.collection', '=', collection);
      page =
        state === undefined
          ? page.where('versions.state', '<>', 'deleted')
          : page.where('versions.state', '=', state);
      if (cursor !== undefined) {
        const [last = ''] = fromCursor(cursor, 1);
        page = page.where('versions.document', '>', last);
      }
      const rows = await page.execute();
      const items = rows.slice(0, limit).map(recordOf);
      const last = items.at(-1);
      return rows.length > limit && last ? { items, next: toCursor([last.document]) } : { items };
    },

    async generationOf(tenant, collection) {
      const row = await db
        .selectFrom('collections')
        .select('generation')
        .where('tenant', '=', tenant)
        .where('collection', '=', collection)
        .executeTakeFirst();
      return row?.generation;
    },

    async activeIndex(tenant, collection) {
      const { rows } = await sql<{ generation: string; rebuilding: boolean }>`
        select generation,
          exists (select from rebuilds r where r.tenant = c.tenant and r.collection = c.collection and r.moves)
          or exists (select from versions v where v.tenant = c.tenant and v.collection = c.collection
            and v.rebuilding and v.state in ${sql.raw(UNFINISHED_SQL)}) as rebuilding
        from collections c where tenant = ${tenant} and collection = ${collection}`.execute(db);
      return rows[0];
    },

    async collections(caller) {
      const { rows } = await sql<Awaited<ReturnType<DocumentStore['collections']>>[number]>`
        select c.collection, c.generation, count(*) filter (where state <> 'deleted')::integer as documents,
          count(*) filter (where (rebuilding and state in ${sql.raw(UNFINISHED_SQL)})
            or (versions.generation <> c.generation and (state in ${sql.raw(UNFINISHED_SQL)} or state = 'indexed')))::integer
            as rebuilding
        from collections c
        join (documents d join versions on versions.tenant = d.tenant and versions.document = d.document
          and versions.version = d.head)
          on d.tenant = c.tenant and versions.collection = c.collection
        where c.tenant = ${caller.tenant} and ${mayRead(caller)}
        group by c.collection, c.generation order by c.collection`.execute(db);
      return rows;
    },

    async mayEnter(caller, collection) {
      const { rows } = await sql`select from (${heads(db, caller)
        .clearSelect()
        .select('versions.document')
        .where('versions.collection', '=', collection)
        .limit(1)}) as one`.execute(db);
      return rows.length > 0;
    },

    async fail({ tenant, document, version }, error) {
      const { numUpdatedRows } = await db
        .updateTable('versions')
        .set({
          state: 'dead_lettered',
          error_code: storable(error.code),
          error_message: storable(error.message),
          updated_at: sql`now()`,
        })
        .where('tenant', '=', tenant)
        .where('document', '=', document)
        .where('version', '=', version)
        .where('state', 'in', UNFINISHED)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
  };
}

const heads = (db: Kysely<Tables>, caller: Caller) => currentOf(db, caller.tenant).where(mayRead(caller));

const currentOf = (db: Kysely<Tables>, tenant: string) =>
  db
    .selectFrom('documents')
    .innerJoin('versions', (join) =>
      join
        .onRef('versions.tenant', '=', 'documents.tenant')
        .onRef('versions.document', '=', 'documents.document')
        .onRef('versions.version', '=', 'documents.head'),
    )
    .selectAll('versions')
    .where('documents.tenant', '=', tenant);

function recordOf(row: Selectable<Tables['versions']>): DocumentRecord {
  return {
    tenant: row.tenant,
    document: row.document,
    version: row.version,
    collection: row.collection,
    generation: row.generation,
    title: row.title,
    uri: row.uri,
    contentType: row.content_type,
    contentHash: row.content_hash,
    bytes: row.bytes,
    original: row.original,
    metadata: row.metadata,
    acl: row.acl,
    state: row.state,
    chunks: row.chunks,
    indexedChunks: row.indexed_chunks,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
