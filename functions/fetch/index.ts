import { FetchInput, FetchOutput } from '../_shared/contracts.ts';
import { defineStage } from '../_shared/stage.ts';
import { openDocuments } from '../_shared/stores/documents/open.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { fetchPassages, groundQuestion } from './handler.ts';

export const stage = defineStage({
  name: 'fetch',
  summary: 'Turns chunk ids into passages; decides what is current and who may read it.',
  input: FetchInput,
  output: FetchOutput,
  handle: fetchPassages,
  on: { 'query.matched': { produces: ['query.grounded'], handle: groundQuestion } },
  knobs: storeKnobs,
  open: async (config) => ({ documents: await openDocuments(config) }),
  close: ({ documents }) => documents.close(),
  ready: ({ documents }) => documents.ping(),
});
