import type { Config } from '../config.ts';
import { createDocumentStore } from './documents/open.ts';
import type { DocumentStore } from './documents/port.ts';
import type { storeKnobs } from './knobs.ts';
import { openDatabase } from './sql/open.ts';
import { openVectors } from './vectors/open.ts';
import type { VectorStore } from './vectors/port.ts';

export interface Stores {
  documents: DocumentStore;
  vectors: VectorStore;
}

/** Documents and vectors, as configured; closing the documents closes both. What was opened is closed when it fails half-way. */
export async function openStores(config: Config<typeof storeKnobs>): Promise<Stores> {
  const database = await openDatabase(config);
  try {
    const documents = await createDocumentStore(database);
    const vectors = await openVectors(config, database);
    const close = async () => {
      await vectors.close();
      await database.close();
    };
    return { documents: { ...documents, close }, vectors };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}
