import type { Database } from '../sql/database.ts';
import { migrate } from '../sql/migrate.ts';
import { auditLog } from './audit.ts';
import { keys } from './keys.ts';
import { migrations } from './migrations.ts';
import type { AccessStore } from './port.ts';
import { quotas } from './quotas.ts';

/** The access store over a database of the caller's, the documents' one. Migrates first; documents go before it. */
export async function createAccessStore(database: Database): Promise<AccessStore> {
  await migrate(database, 'access', migrations);
  return { ...keys(database), ...quotas(database), ...auditLog(database) };
}
