import type { Kysely } from 'kysely';
import { KnarrError } from '../../errors.ts';
import { createKysely } from './kysely.ts';

/** What a statement gives: rows with columns by name, and how many rows it inserted, changed or deleted. */
export interface Result<T> {
  rows: T[];
  affected: number;
}

/**
 * Runs statements. Parameters are `$1`, `$2`, …; a `Float32Array` becomes pgvector's `[…]` literal, jsonb takes
 * `JSON.stringify`ed text, arrays become SQL arrays. A failing statement throws a {@link SqlError}; a database that
 * cannot be reached or has too much to do throws `unavailable`.
 */
export interface Queryable {
  query<T>(sql: string, params?: readonly unknown[]): Promise<Result<T>>;
  /** Several statements separated by semicolons, without parameters. */
  exec(sql: string): Promise<void>;
  /** The query builder over this handle. */
  kysely<Tables>(): Kysely<Tables>;
}

/** A PostgreSQL database: the embedded one or a server. */
export interface Database extends Queryable {
  dialect: 'pglite' | 'postgres';
  /** The query builder over connections whose statements may take as long as they take: to change tables, not to answer. */
  unhurried<Tables>(): Kysely<Tables>;
  /** Commits when `work` resolves, rolls back when it throws. `tx` is dead afterwards. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Waits for running statements, then closes. */
  close(): Promise<void>;
}

/** A statement that the database refused; `code` is the SQLSTATE. */
export interface SqlError extends Error {
  code: string;
  constraint?: string | undefined;
}
export const isSqlError = (thrown: unknown, code?: string): thrown is SqlError =>
  thrown instanceof Error &&
  'code' in thrown &&
  typeof thrown.code === 'string' &&
  /^[0-9A-Z]{5}$/.test(thrown.code) &&
  (code === undefined || thrown.code === code);

/** One connection, held by one user at a time. */
export interface Connection {
  query<T>(sql: string, params: readonly unknown[]): Promise<Result<T>>;
  exec(sql: string): Promise<void>;
  release(): void;
}
export interface Connector {
  dialect: Database['dialect'];
  /** `unhurried`: without a limit on the time that a statement takes. */
  connect(options?: { unhurried: boolean }): Promise<Connection>;
  close(): Promise<void>;
}

/** A database over anything that hands out connections. */
export function createDatabase(connector: Connector): Database {
  async function connect(unhurried = false): Promise<Connection> {
    const connection = await connector.connect({ unhurried }).catch(translate);
    return {
      query: (sql, params) => connection.query<never>(sql, params).catch(translate),
      exec: (sql) => connection.exec(sql).catch(translate),
      release: () => connection.release(),
    };
  }
  async function using<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await connect();
    try {
      return await work(connection);
    } finally {
      connection.release();
    }
  }

  return {
    dialect: connector.dialect,
    query: (sql, params = []) => using((connection) => connection.query(sql, params)),
    exec: (sql) => using((connection) => connection.exec(sql)),
    kysely: () => createKysely(connect),
    unhurried: () => createKysely(() => connect(true)),
    transaction: (work) => using((connection) => inTransaction(connection, work)),
    close: () => connector.close(),
  };
}

async function inTransaction<T>(connection: Connection, work: (tx: Queryable) => Promise<T>): Promise<T> {
  let open = true;
  const alive = () => {
    if (!open) throw new Error('The transaction is over.');
  };
  const held: Connection = {
    async query(sql, params) {
      alive();
      return connection.query(sql, params);
    },
    async exec(sql) {
      alive();
      return connection.exec(sql);
    },
    release() {},
  };
  await connection.exec('begin');
  try {
    const value = await work({
      query: (sql, params = []) => held.query(sql, params),
      exec: (sql) => held.exec(sql),
      kysely: () => createKysely(async () => held),
    });
    open = false;
    await connection.exec('commit');
    return value;
  } catch (thrown) {
    open = false;
    // When the connection itself is lost, so is the transaction; what went wrong first is what matters.
    await connection.exec('rollback').catch(() => {});
    throw thrown;
  }
}

/**
 * SQLSTATE classes that say "not now": connection, resources, operator intervention, serialization, deadlock and locks;
 * a statement or a transaction that took longer than the server allows, which is what too much to do looks like.
 */
const NOT_NOW = /^(08|53|57P|57014|25P03|25P04|40001|40P01|55P03)/;
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

/** What the driver says of a connection that does not come, or ends under a statement; it gives these no code. */
const LOST =
  /^(Connection terminated|timeout (exceeded|expired)|Query read timeout|Client (has encountered|was closed))/;

function translate(thrown: unknown): never {
  if (!(thrown instanceof KnarrError) && isNotNow(thrown)) {
    throw new KnarrError('unavailable', 'The database cannot take this now.', { cause: thrown });
  }
  throw thrown;
}

function isNotNow(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  if (!('code' in thrown) || thrown.code === undefined) return LOST.test(thrown.message);
  const code = String(thrown.code);
  return NOT_NOW.test(code) || NETWORK.has(code);
}
