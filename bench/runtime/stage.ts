import { z } from 'zod';
import { emit } from '../../functions/_shared/events.ts';
import { start } from '../../functions/_shared/runtime/start.ts';
import { defineStage } from '../../functions/_shared/stage.ts';

/** The same function as a stage, which also validates, traces, keeps deadlines and derives ids. */
const stage = defineStage({
  name: 'embed',
  summary: 'Says what it was told.',
  input: z.object({ say: z.string(), numbers: z.array(z.number()) }),
  output: z.object({ say: z.string(), numbers: z.array(z.number()) }),
  handle: async (input) => input,
  on: {
    'document.accepted': {
      produces: ['document.indexed'],
      handle: async (data) =>
        emit('document.indexed', data.document, { ...data, chunks: 1, generation: 'g' }),
    },
  },
  knobs: {},
  open: async () => ({}),
});

await start(stage, process.env);
