import type { Database } from './database.ts';
import { openPGlite } from './pglite.ts';
import { openPostgres } from './postgres.ts';

/** PostgreSQL where `DATABASE_URL` says so, else the embedded database in the data folder. */
export async function openDatabase(config: {
  databaseUrl?: string | undefined;
  databaseConnections?: number;
  dataDir: string;
}): Promise<Database> {
  return config.databaseUrl === undefined
    ? openPGlite({ dataDir: config.dataDir })
    : openPostgres({ url: config.databaseUrl, maxConnections: config.databaseConnections });
}
