import type { Database } from '../sql/database.ts';
import type { StoredPoint, VectorStore } from './port.ts';
import type { PointTables } from './tables.ts';

/** Reads and removes points by what they are, not by what they say. */
export function maintenance(
  database: Database,
  tables: PointTables,
): Pick<VectorStore, 'vectorsOf' | 'scopes' | 'scan' | 'present' | 'removePoints'> {
  return {
    scopes: () => tables.all(),

    async vectorsOf(scope, document, hashes) {
      const table = await tables.find(scope);
      if (!table || hashes.length === 0) return new Map();
      const { rows } = await database.query<{ hash: string; vector: string }>(
        `select distinct on (hash) hash, embedding::text as vector from ${table.name}
         where tenant = $1 and document = $2 and hash = any($3::text[])`,
        [scope.tenant, document, hashes],
      );
      return new Map(rows.map(({ hash, vector }) => [hash, Float32Array.from(JSON.parse(vector))]));
    },

    async scan(scope, { after, limit }) {
      const table = await tables.find(scope);
      if (!table) return [];
      const { rows } = await database.query<StoredPoint>(
        `select id, document, version, chunk, hash from ${table.name}
         ${after === undefined ? '' : 'where id > $2::uuid'} order by id limit $1`,
        after === undefined ? [limit] : [limit, after],
      );
      return rows;
    },

    async present(scope, ids) {
      const table = await tables.find(scope);
      if (!table) return new Set();
      const { rows } = await database.query<{ id: string }>(
        `select id from ${table.name} where id = any($1::uuid[])`,
        [ids],
      );
      return new Set(rows.map(({ id }) => id));
    },

    async removePoints(scope, ids) {
      const table = await tables.find(scope);
      if (table) await database.query(`delete from ${table.name} where id = any($1::uuid[])`, [ids]);
    },
  };
}
