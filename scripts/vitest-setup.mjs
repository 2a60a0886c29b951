import { buildWorkers } from './build.mjs';
import { buildDatabaseTemplate } from './database-template.mjs';

// Worker threads and child processes run from their bundles, in tests as in production.
export async function setup() {
  await buildWorkers();
  await buildDatabaseTemplate();
}
