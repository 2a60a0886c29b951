import { buildWorkers } from './build.mjs';

// Worker threads and child processes run from their bundles, in tests as in production.
export const setup = buildWorkers;
