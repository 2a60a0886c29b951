import { createHash } from 'node:crypto';
import { type Kysely, type Migration, sql } from 'kysely';
import { KnarrError } from '../../errors.ts';
import type { Database } from '../sql/database.ts';
import type { VectorScope } from './port.ts';

export const migrations: Record<string, Migration> = {
  '0001_point_tables': {
    async up(db: Kysely<unknown>) {
      await sql`create extension if not exists vector`.execute(db);
      await sql`create extension if not exists pg_textsearch`.execute(db);
      await sql`create table point_tables (
        tenant text collate "C" not null,
        collection text collate "C" not null,
        generation text not null,
        dimensions integer not null,
        name text not null,
        primary key (tenant, collection, generation)
      )`.execute(db);
    },
  },
};

/** HNSW build parameters: pgvector's own m, and half its ef_construction, which costs no recall at 384 dimensions here. */
const HNSW = 'm = 16, ef_construction = 48';

export interface PointTable {
  name: string;
  dimensions: number;
}

type Key = Omit<VectorScope, 'dimensions'>;

/**
 * One table per tenant, collection and generation: what a query may see is settled before it is planned, word
 * statistics do not leak between tenants, and a generation is dropped with its table.
 */
export interface PointTables {
  find(scope: Key): Promise<PointTable | undefined>;
  /** Finds or makes the table. Throws `model_mismatch` when it was made for another length of vectors. */
  ensure(scope: VectorScope): Promise<PointTable>;
  /** Every table there is, with its scope. */
  all(): Promise<VectorScope[]>;
  /** Every table of a tenant. */
  ofTenant(tenant: string): Promise<PointTable[]>;
}

export function pointTables(database: Database): PointTables {
  const known = new Map<string, PointTable>();
  const keyOf = ({ tenant, collection, generation }: Key) => JSON.stringify([tenant, collection, generation]);

  async function find(scope: Key): Promise<PointTable | undefined> {
    const cached = known.get(keyOf(scope));
    if (cached) return cached;
    const { rows } = await database.query<PointTable>(
      'select name, dimensions from point_tables where tenant = $1 and collection = $2 and generation = $3',
      [scope.tenant, scope.collection, scope.generation],
    );
    if (rows[0]) known.set(keyOf(scope), rows[0]);
    return rows[0];
  }

  async function create(scope: VectorScope): Promise<void> {
    const name = `points_${createHash('sha256').update(keyOf(scope)).digest('hex').slice(0, 24)}`;
    await database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock(hashtext($1))', [name]);
      await tx.exec(`
        create table if not exists ${name} (
          id uuid primary key,
          tenant text not null,
          document text collate "C" not null,
          version integer not null,
          chunk integer not null,
          embedding vector(${scope.dimensions}) not null,
          body text not null,
          hash text not null,
          metadata jsonb not null,
          acl text[] not null
        );
        create index if not exists ${name}_document on ${name} (document);
        create index if not exists ${name}_dense on ${name} using hnsw (embedding vector_cosine_ops) with (${HNSW});
        create index if not exists ${name}_lexical on ${name} using bm25 (body)
          with (text_config = 'english', k1 = 1.2, b = 0.75);`);
      await tx.query(
        `insert into point_tables (tenant, collection, generation, dimensions, name) values ($1, $2, $3, $4, $5)
         on conflict do nothing`,
        [scope.tenant, scope.collection, scope.generation, scope.dimensions, name],
      );
    });
  }

  return {
    find,
    async ensure(scope) {
      let table = await find(scope);
      if (!table) {
        await create(scope);
        table = (await find(scope)) as PointTable;
      }
      if (table.dimensions === scope.dimensions) return table;
      throw new KnarrError(
        'model_mismatch',
        `${scope.collection} holds vectors of ${table.dimensions} dimensions, not ${scope.dimensions}.`,
      );
    },
    async all() {
      const { rows } = await database.query<VectorScope>(
        'select tenant, collection, generation, dimensions from point_tables order by 1, 2, 3',
      );
      return rows;
    },
    async ofTenant(tenant) {
      const { rows } = await database.query<PointTable>(
        'select name, dimensions from point_tables where tenant = $1',
        [tenant],
      );
      return rows;
    },
  };
}
