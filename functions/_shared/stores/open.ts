import type { Config } from '../config.ts';
import { createAccessStore } from './access/open.ts';
import type { AccessStore } from './access/port.ts';
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

/** `publishTimeout`: longest that a publisher waits for the Broker, milliseconds. */
interface Publishing {
  publishTimeout?: number;
  maxInFlight?: number;
}

/** A relay has its claim for as long as the Broker may take, and a moment to acknowledge: else another one says it, too. */
const claims = ({ publishTimeout, maxInFlight }: Publishing) => ({
  maxInFlight,
  ...(publishTimeout !== undefined && { claimMs: publishTimeout + 5000 }),
});

/** Documents and vectors, as configured; closing the documents closes both. What was opened is closed when it fails half-way. */
export async function openStores(config: Config<typeof storeKnobs> & Publishing): Promise<Stores> {
  const database = await openDatabase(config);
  try {
    const documents = await createDocumentStore(database, claims(config));
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

/** Documents, and who may do what with them; closing the documents closes both. */
export async function openLedger(
  config: Parameters<typeof openDatabase>[0] & Publishing,
): Promise<{ documents: DocumentStore; access: AccessStore }> {
  const database = await openDatabase(config);
  try {
    const documents = await createDocumentStore(database, claims(config));
    const access = await createAccessStore(database);
    return { documents: { ...documents, close: () => database.close() }, access };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}
