import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { KnarrError } from '../../errors.ts';
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
    open: async () => {
      if (process.env.NEEDS_FILE && !existsSync(process.env.NEEDS_FILE))
        throw new KnarrError('unavailable', 'The file is not there.');
      return {};
    },
    close: async () => {
      if (process.env.FAIL_TO_CLOSE) throw new Error('cannot let go');
    },
  }),
  process.env,
);
