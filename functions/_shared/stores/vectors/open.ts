import { join } from 'node:path';
import type { Config } from '../../config.ts';
import type { storeKnobs } from '../knobs.ts';
import type { Database } from '../sql/database.ts';
import { openPGlite } from '../sql/pglite.ts';
import { postgresAnalyzer } from './lexical/analyzer.ts';
import { openPgVectors } from './pg.ts';
import type { VectorStore } from './port.ts';
import { openQdrantVectors } from './qdrant/store.ts';

/** The vector store that is configured: Qdrant, or beside the documents in `database` unless another is named. */
export async function openVectors(
  config: Config<typeof storeKnobs>,
  database: Database,
): Promise<VectorStore> {
  const { vectorStore, dataDir, qdrantUrl } = config;
  if (qdrantUrl !== undefined) {
    return openQdrantVectors({ ...config, qdrantUrl }, postgresAnalyzer(database));
  }
  if (vectorStore !== 'embedded' || database.dialect === 'pglite') return openPgVectors(database);
  const own = await openPGlite({ dataDir: join(dataDir, 'vectors') });
  const vectors = await openPgVectors(own);
  return { ...vectors, close: () => own.close() };
}
