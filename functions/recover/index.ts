import { defineStage } from '../_shared/stage.ts';
import { openDocuments } from '../_shared/stores/documents/open.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { listDeadLetters, RecoverInput, RecoverOutput, takeDeadLetter } from './handler.ts';

export const stage = defineStage({
  name: 'recover',
  summary: 'Keeps dead letters, lists them, and ends what waited for them with the reason.',
  input: RecoverInput,
  output: RecoverOutput,
  handle: listDeadLetters,
  on: {},
  emits: ['document.failed'],
  onDeadLetter: takeDeadLetter,
  knobs: storeKnobs,
  open: async (config) => ({ documents: await openDocuments(config) }),
  close: ({ documents }) => documents.close(),
  ready: ({ documents }) => documents.ping(),
});
