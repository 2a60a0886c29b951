import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

// npm run test:access [-- --requests <n> --seed <n> --store pglite|postgres]
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    store: { type: 'string', default: 'pglite' },
  },
});
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/access.test.ts', '--disable-console-intercept'],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      KNARR_ACCESS_REQUESTS: values.requests,
      ...(values.seed !== undefined && { SEED: values.seed }),
      ...(values.store === 'postgres' && { KNARR_ACCESS_POSTGRES: '1' }),
    },
  },
);
process.exit(status ?? 1);
