import { SearchInput, SearchOutput } from '../_shared/contracts.ts';
import { defineStage } from '../_shared/stage.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openStores } from '../_shared/stores/open.ts';
import { matchQuestion, search } from './handler.ts';

export const stage = defineStage({
  name: 'search',
  summary: 'Ranks chunks by meaning, by words or by both.',
  input: SearchInput,
  output: SearchOutput,
  handle: search,
  on: { 'query.embedded': { produces: ['query.matched'], handle: matchQuestion } },
  knobs: storeKnobs,
  open: openStores,
  close: ({ documents }) => documents.close(),
  ready: ({ vectors }) => vectors.ping(),
});
