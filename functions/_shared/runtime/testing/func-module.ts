import { startFunction } from '../start-function.ts';

/** A process of a func module; it writes to standard output when it is shut down. */
await startFunction(
  {
    handle: (context) => ({ said: context.body }),
    shutdown: () => void process.stdout.write('shut down\n'),
  },
  process.env,
);
