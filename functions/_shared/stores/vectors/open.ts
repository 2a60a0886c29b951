import { join } from 'node:path';
import type { Config } from '../../config.ts';
import type { storeKnobs } from '../knobs.ts';
import type { Database } from '../sql/database.ts';
import { openPGlite } from '../sql/pglite.ts';
import { openPostgres } from '../sql/postgres.ts';
import { postgresAnalyzer } from './lexical/analyzer.ts';
import { openPgVectors } from './pg.ts';
import type { VectorStore } from './port.ts';
import { openQdrantVectors } from './qdrant/store.ts';

/** The vector store that is configured: Qdrant, a PostgreSQL of its own, or beside the documents in `database`. */
export async function openVectors(
  config: Config<typeof storeKnobs>,
  database: Database,
): Promise<VectorStore> {
  const { vectorStore, vectorDatabaseUrl, dataDir, qdrantUrl } = config;
  if (qdrantUrl !== undefined) {
    return openQdrantVectors({ ...config, qdrantUrl }, postgresAnalyzer(database));
  }
  if (vectorDatabaseUrl !== undefined)
    return openOwn(openPostgres({ url: vectorDatabaseUrl, maxConnections: config.databaseConnections }));
  if (vectorStore !== 'embedded' || database.dialect === 'pglite') return openPgVectors(database);
  return openOwn(await openPGlite({ dataDir: join(dataDir, 'vectors') }));
}

/** The vector store in a database that holds nothing else and is closed with it. */
async function openOwn(database: Database): Promise<VectorStore> {
  try {
    const vectors = await openPgVectors(database);
    return { ...vectors, close: () => database.close() };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}
