import { once } from 'node:events';
import { z } from 'zod';
import { defineStage } from '../../stage.ts';
import { start } from '../start.ts';

/** A process whose work ends when something is written to its standard input; each piece logs that it has begun. */
process.stdin.setMaxListeners(0);

await start(
  defineStage({
    name: 'embed',
    summary: 'Waits.',
    input: z.object({ n: z.int() }),
    output: z.object({ n: z.int() }),
    async handle(input, { log }) {
      log.info({}, 'begun');
      await once(process.stdin, 'data');
      return input;
    },
    on: {},
    knobs: {},
    open: async () => ({}),
    close: async () => {
      if (process.env.FAIL_TO_CLOSE) throw new Error('cannot let go');
    },
  }),
  process.env,
);
