import type { Config } from '../../config.ts';
import type { storeKnobs } from '../knobs.ts';
import type { Database } from '../sql/database.ts';
import { openPgVectors } from './pg.ts';
import type { VectorStore } from './port.ts';

/** The vector store that is configured; in the documents' database unless another is named. */
export function openVectors(_config: Config<typeof storeKnobs>, database: Database): Promise<VectorStore> {
  return openPgVectors(database);
}
