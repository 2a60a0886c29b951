import type { Database } from '../sql/database.ts';
import { migrate } from '../sql/migrate.ts';
import { openDatabase } from '../sql/open.ts';
import { acceptance } from './accept.ts';
import { answers } from './answers.ts';
import { chunks } from './chunks.ts';
import { type ClaimLimits, claims } from './claims.ts';
import { deadLetters } from './dead-letters.ts';
import { migrations } from './migrations.ts';
import { originalsLedger } from './originals.ts';
import { outbox } from './outbox.ts';
import type { DocumentStore } from './port.ts';
import { rebuilds } from './rebuilds.ts';
import { reconciliation } from './reconciliation.ts';
import { secureRows } from './row-security.ts';
import { sweeping } from './sweep.ts';
import { versions } from './versions.ts';

/** The documents store over a database of the caller's, which stays open when the store is closed. Migrates first. */
export async function createDocumentStore(
  database: Database,
  limits: ClaimLimits = {},
): Promise<DocumentStore> {
  await migrate(database, 'documents', migrations);
  await secureRows(database);
  return {
    ...acceptance(database),
    ...versions(database),
    ...chunks(database),
    ...outbox(database),
    ...claims(database, limits),
    ...sweeping(database),
    ...rebuilds(database),
    ...reconciliation(database),
    ...originalsLedger(database),
    ...deadLetters(database),
    ...answers(database),
    async ping() {
      await database.query('select 1');
    },
    async close() {},
  };
}

/** The documents store over a database of its own, opened by configuration and closed with it. */
export async function openDocuments(config: Parameters<typeof openDatabase>[0]): Promise<DocumentStore> {
  const database = await openDatabase(config);
  try {
    const store = await createDocumentStore(database);
    return { ...store, close: () => database.close() };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}
