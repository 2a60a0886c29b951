import { type Migration, Migrator } from 'kysely';
import type { Database } from './database.ts';

/**
 * Brings a store's tables to the newest version, in one transaction and under an advisory lock: several processes may
 * start at once. Each store has its own history, kept in `<store>_migrations`. On a large table a step may take long. What
 * a newer release has done already is left as it is: while one follows the other both run, so steps take away nothing that the older one
 * cannot do without.
 */
export async function migrate(
  database: Database,
  store: string,
  migrations: Record<string, Migration>,
): Promise<void> {
  // Before the migrator holds a connection: the embedded database has no other.
  const known = { ...(await done(database, store)), ...migrations };
  const migrator = new Migrator({
    db: database.unhurried(),
    provider: { getMigrations: async () => known },
    migrationTableName: `${store}_migrations`,
    migrationLockTableName: `${store}_migrations_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}

/** Steps that the database has seen, to be taken as done whoever knows what they were. */
async function done(database: Database, store: string): Promise<Record<string, Migration>> {
  const table = `${store}_migrations`;
  const { rows } = await database.query<{ known: boolean }>('select to_regclass($1) is not null as known', [
    table,
  ]);
  if (!rows[0]?.known) return {};
  const names = await database.query<{ name: string }>(`select name from ${table}`);
  return Object.fromEntries(names.rows.map(({ name }) => [name, { up: async () => {} }]));
}
