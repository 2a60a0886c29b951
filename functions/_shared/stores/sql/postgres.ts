import pg from 'pg';
import { type Connection, createDatabase, type Database } from './database.ts';
import { vectorLiteral } from './protocol.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?…` */
  url: string;
  /** Connections held at most. */
  maxConnections?: number;
}

const INT8 = 20;
/** As the embedded database reads it: a number where that is exact. */
function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** A PostgreSQL server. Connects when first asked. */
export function openPostgres({ url, maxConnections = 10 }: PostgresOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'knarr',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? integer : pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {});

  async function connect(): Promise<Connection> {
    const client = await pool.connect();
    const ignore = () => {};
    client.on('error', ignore);
    return {
      async query<T>(sql: string, params: readonly unknown[]) {
        const { rows, rowCount } = await client.query(sql, params.map(toParameter));
        return { rows: rows as T[], affected: rowCount ?? 0 };
      },
      async exec(sql) {
        await client.query(sql);
      },
      release() {
        client.off('error', ignore);
        client.release();
      },
    };
  }
  let closing: Promise<void> | undefined;
  return createDatabase({
    dialect: 'postgres',
    connect,
    close() {
      closing ??= pool.end();
      return closing;
    },
  });
}

const toParameter = (value: unknown) => (value instanceof Float32Array ? vectorLiteral(value) : value);
