import { createAccessStore } from '../../_shared/stores/access/open.ts';
import type { AccessStore } from '../../_shared/stores/access/port.ts';
import { createDocumentStore } from '../../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../../_shared/stores/documents/port.ts';
import { openOriginals } from '../../_shared/stores/originals/open.ts';
import type { OriginalStore } from '../../_shared/stores/originals/port.ts';
import { openDatabase } from '../../_shared/stores/sql/open.ts';
import { openVectors } from '../../_shared/stores/vectors/open.ts';
import type { VectorStore } from '../../_shared/stores/vectors/port.ts';
import type { Encoder } from '../../embed/encoder/port.ts';
import { openEncoder } from '../../embed/index.ts';
import { openParser } from '../../ingest/index.ts';
import type { Parser } from '../../ingest/parser/parser.ts';
import type { LocalConfig } from './config.ts';

/** What the stages of one process share. */
export interface Parts {
  documents: DocumentStore;
  access: AccessStore;
  vectors: VectorStore;
  originals: OriginalStore;
  parser: Parser;
  encoder: Encoder;
}

/** Opens the stores, the parser and the encoder; `closers` gets what undoes each, in this order. */
export async function openParts(config: LocalConfig, closers: (() => Promise<void>)[]): Promise<Parts> {
  // The model loads in a thread of its own while the database opens.
  const encoding = openEncoder(config.embed);
  encoding.catch(() => {});
  try {
    const database = await openDatabase(config.stores);
    closers.push(() => database.close());
    const documents = await createDocumentStore(database, config.local);
    const access = await createAccessStore(database);
    const vectorStore = config.stores.vectorStore ?? 'embedded';
    const vectors = await openVectors({ ...config.stores, vectorStore }, database);
    closers.push(() => vectors.close());
    const originals = openOriginals(config.stores);
    await originals.ping();
    const parser = openParser(config.ingest);
    closers.push(() => parser.close());
    return { documents, access, vectors, originals, parser, encoder: await encoding };
  } finally {
    await encoding.then(
      (encoder) => closers.push(() => encoder.close()),
      () => {},
    );
  }
}
