import { KnarrError } from '../../errors.ts';
import { textHash } from '../../ids.ts';
import type { Caller } from '../../stage.ts';
import type { Database, Queryable } from '../sql/database.ts';
import { migrate } from '../sql/migrate.ts';
import { checkQuery, checkVectors } from './check.ts';
import { filterSql } from './filter-sql.ts';
import { fuseRanks } from './fusion.ts';
import { lexicalText } from './lexical/text.ts';
import { maintenance } from './maintenance.ts';
import type { Point, PointHit, VectorQuery, VectorStore } from './port.ts';
import { migrations, type PointTable, pointTables } from './tables.ts';

/** Points of one insert: small enough that a search gets its turn between two of them. */
const INSERT_ROWS = 16;
/** Candidates of each side that hybrid search fuses, at least. */
const CANDIDATES = 100;
/** pgvector's bounds of hnsw.ef_search. */
const MAX_EF = 1000;

/** Points in pgvector, with their BM25 twin by pg_textsearch. The database stays its opener's to close. */
export async function openPgVectors(database: Database): Promise<VectorStore> {
  await migrate(database, 'vectors', migrations);
  const tables = pointTables(database);

  return {
    async upsert(scope, points) {
      checkVectors(scope, points);
      const { name } = await tables.ensure(scope);
      // A statement may not touch a row twice: of points with the same id the last one counts.
      const distinct = [...new Map(points.map((point) => [point.id, point])).values()];
      for (let start = 0; start < distinct.length; start += INSERT_ROWS) {
        await insert(database, name, scope.tenant, distinct.slice(start, start + INSERT_ROWS));
      }
    },

    async remove(tenant, document, below = 2 ** 31 - 1) {
      let removed = 0;
      for (const { name } of await tables.ofTenant(tenant)) {
        const sql = `delete from ${name} where tenant = $1 and document = $2 and version < $3`;
        removed += (await database.query(sql, [tenant, document, below])).affected;
      }
      return removed;
    },

    async search(scope, caller, query) {
      const table = await tables.find(scope);
      if (!table || scope.tenant !== caller.tenant) {
        throw new KnarrError('unknown_collection', `There is no collection ${scope.collection}.`);
      }
      checkQuery(query, table.dimensions);
      return database.transaction((tx) => search(tx, table, caller, query));
    },

    async count(scope) {
      const table = await tables.find(scope);
      if (!table) return 0;
      const { rows } = await database.query<{ count: number }>(
        `select count(*)::int as count from ${table.name}`,
      );
      return rows[0]?.count ?? 0;
    },

    ...maintenance(database, tables),

    async ping() {
      await database.query('select 1');
    },
    close: async () => {},
  };
}

/** A point that is there as it is stays untouched: a new row version would leave a dead one that BM25 goes on counting. */
async function insert(
  database: Database,
  table: string,
  tenant: string,
  points: readonly Point[],
): Promise<void> {
  const params: unknown[] = [];
  const rows = points.map((point) => {
    const values = [
      point.id,
      tenant,
      point.document,
      point.version,
      point.chunk,
      point.vector,
      lexicalText(point.text),
      textHash(point.text),
      JSON.stringify(point.metadata),
      point.acl,
    ];
    return `(${values.map((value) => `$${params.push(value)}`).join(', ')})`;
  });
  await database.query(
    `insert into ${table} as points (id, tenant, document, version, chunk, embedding, body, hash, metadata, acl)
     values ${rows.join(', ')}
     on conflict (id) do update set embedding = excluded.embedding, body = excluded.body, hash = excluded.hash,
       metadata = excluded.metadata, acl = excluded.acl
     where (points.embedding, points.hash, points.metadata, points.acl)
       is distinct from (excluded.embedding, excluded.hash, excluded.metadata, excluded.acl)`,
    params,
  );
}

/** The one way to query: tenant and principals are part of every statement. */
async function search(
  tx: Queryable,
  table: PointTable,
  caller: Caller,
  query: VectorQuery,
): Promise<PointHit[]> {
  const { mode, limit } = query;
  const candidates = mode === 'hybrid' ? Math.max(limit, CANDIDATES) : limit;
  const ef = Math.min(MAX_EF, query.ef ?? Math.max(candidates, CANDIDATES));
  // Both indexes go on scanning until enough rows have passed the filter; a plan without them would read every row.
  await tx.exec(
    `set local hnsw.ef_search = ${ef}; set local hnsw.iterative_scan = strict_order; set local enable_seqscan = off; set local enable_sort = off`,
  );
  const ranked = (order: string, score: string, value: unknown) => {
    const params: unknown[] = [value, caller.tenant, [...caller.principals]];
    const filter = query.filter ? ` and ${filterSql(query.filter, params)}` : '';
    return tx.query<PointHit>(
      `select id, document, version, chunk, ${score} as score from ${table.name}
       where tenant = $2 and acl && $3::text[]${filter} order by ${order} limit ${candidates}`,
      params,
    );
  };
  const dense = async () =>
    (await ranked('embedding <=> $1::vector', '1 - (embedding <=> $1::vector)', query.vector)).rows;
  const lexical = async () => {
    const text = lexicalText(query.text ?? '');
    const distance = `body <@> to_bm25query($1::text, '${table.name}_lexical')`;
    // pg_textsearch gives BM25 as a negative distance, 0 for a row without any of the words.
    const { rows } = await ranked(distance, `-(${distance})`, text);
    return rows.filter(({ score }) => score > 0);
  };
  if (mode === 'dense') return dense();
  if (mode === 'lexical') return lexical();
  const fused = fuseRanks([await dense(), await lexical()], ({ id }) => id);
  return fused.slice(0, limit).map(({ item, score }) => ({ ...item, score }));
}
