import { defineStage } from '../_shared/stage.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openStores } from '../_shared/stores/open.ts';
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
  open: openStores,
  close: ({ documents }) => documents.close(),
  ready: ({ vectors }) => vectors.ping(),
});
