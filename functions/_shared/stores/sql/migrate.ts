import { type Migration, Migrator } from 'kysely';
import type { Database } from './database.ts';

/**
 * Brings a store's tables to the newest version, in one transaction and under an advisory lock: several processes may
 * start at once. Each store has its own history, kept in `<store>_migrations`. On a large table a step may take long.
 */
export async function migrate(
  database: Database,
  store: string,
  migrations: Record<string, Migration>,
): Promise<void> {
  const migrator = new Migrator({
    db: database.unhurried(),
    provider: { getMigrations: async () => migrations },
    migrationTableName: `${store}_migrations`,
    migrationLockTableName: `${store}_migrations_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}
