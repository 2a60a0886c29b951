import pg from 'pg';
import { type Connection, createDatabase, type Database, isSqlError } from './database.ts';
import { vectorLiteral } from './protocol.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?…` */
  url: string;
  /** Connections held at most. */
  maxConnections?: number | undefined;
  /** Longest that a statement may take, as the server sees it, milliseconds. Default 30,000. */
  statementMs?: number;
  /** Longest wait for the answer to a statement, milliseconds. Default: longer than the server itself allows one to take. */
  answerMs?: number;
}

/** The longest that a timer can be set to, milliseconds. */
const NEVER_MS = 2 ** 31 - 1;

const INT8 = 20;
/** As the embedded database reads it: a number where that is exact. */
function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** A PostgreSQL server. Connects when first asked. */
export function openPostgres({
  url,
  maxConnections = 10,
  statementMs = 30_000,
  answerMs = statementMs + 5000,
}: PostgresOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementMs,
    // A server that is gone without a word sends neither an answer nor an end of the connection.
    query_timeout: answerMs,
    keepAlive: true,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'knarr',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? integer : pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {});

  async function connect({ unhurried } = { unhurried: false }): Promise<Connection> {
    const client = await pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error) => {
      broken ??= error;
    };
    client.on('error', onError);
    const patience = unhurried ? { query_timeout: NEVER_MS } : {};
    async function ask(text: string, values?: unknown[]): Promise<pg.QueryResult> {
      // What it still owes an answer, it would answer first.
      if (broken) throw broken;
      try {
        return await client.query({ text, ...(values && { values }), ...patience });
      } catch (thrown) {
        if (!isSqlError(thrown)) onError(thrown as Error);
        throw thrown;
      }
    }
    function release() {
      client.off('error', onError);
      // One without a limit is for nobody else.
      client.release(broken ?? unhurried);
    }
    if (unhurried) {
      try {
        await ask('set statement_timeout = 0');
      } catch (thrown) {
        release();
        throw thrown;
      }
    }
    return {
      async query<T>(sql: string, params: readonly unknown[]) {
        const { rows, rowCount } = await ask(sql, params.map(toParameter));
        return { rows: rows as T[], affected: rowCount ?? 0 };
      },
      async exec(sql) {
        await ask(sql);
      },
      release,
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
