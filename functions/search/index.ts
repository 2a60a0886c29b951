import { SearchInput, SearchOutput } from '../_shared/contracts.ts';
import { defineStage } from '../_shared/stage.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openDatabase } from '../_shared/stores/sql/open.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import { matchQuestion, search } from './handler.ts';

export const stage = defineStage({
  name: 'search',
  summary: 'Ranks chunks by meaning, by words or by both.',
  input: SearchInput,
  output: SearchOutput,
  handle: search,
  on: { 'query.embedded': { produces: ['query.matched'], handle: matchQuestion } },
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
