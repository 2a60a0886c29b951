import { defineStage } from '../_shared/stage.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openDatabase } from '../_shared/stores/sql/open.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import { describeIndex, IndexInput, IndexOutput, indexChunks, removeDocument } from './handler.ts';

export const stage = defineStage({
  name: 'index',
  summary: 'Keeps the vector store in step with the documents.',
  input: IndexInput,
  output: IndexOutput,
  handle: describeIndex,
  on: {
    'chunks.embedded': { produces: ['document.indexed'], handle: indexChunks },
    'document.deleted': { produces: [], handle: removeDocument },
  },
  knobs: storeKnobs,
  async open(config) {
    const database = await openDatabase(config);
    const documents = await createDocumentStore(database);
    return {
      vectors: await openPgVectors(database),
      documents: { ...documents, close: () => database.close() },
    };
  },
  close: ({ documents }) => documents.close(),
  ready: ({ vectors }) => vectors.ping(),
});
