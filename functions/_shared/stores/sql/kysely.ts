import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely';
import type { Connection } from './database.ts';

/** Kysely over connections of ours; destroying it closes nothing. */
export function createKysely<Tables>(connect: () => Promise<Connection>): Kysely<Tables> {
  const dialect: Dialect = {
    createDriver: () => driver(connect),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  };
  return new Kysely<Tables>({ dialect });
}

class KyselyConnection implements DatabaseConnection {
  readonly connection: Connection;
  constructor(connection: Connection) {
    this.connection = connection;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, affected } = await this.connection.query<R>(query.sql, query.parameters);
    return { rows, numAffectedRows: BigInt(affected) };
  }

  // biome-ignore lint/correctness/useYield: results are bounded, so there is nothing to stream.
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('Streaming is not supported.');
  }
}

function driver(connect: () => Promise<Connection>): Driver {
  const run = (statement: string) => (connection: DatabaseConnection) =>
    (connection as KyselyConnection).connection.exec(statement);
  return {
    async init() {},
    acquireConnection: async () => new KyselyConnection(await connect()),
    beginTransaction: run('begin'),
    commitTransaction: run('commit'),
    rollbackTransaction: run('rollback'),
    async releaseConnection(connection) {
      (connection as KyselyConnection).connection.release();
    },
    async destroy() {},
  };
}
