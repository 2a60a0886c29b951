// Prepares an empty PGlite data directory once, so that first starts and tests need not run initdb.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const root = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = ['pglite', 'pglite-pgvector', 'pglite-pg_textsearch'];

/** Writes dist/database/template.tar.gz unless the installed packages have made it already. Needs dist/workers. */
export async function buildDatabaseTemplate() {
  const script = join(root, 'dist/workers/pglite.js');
  const template = join(root, 'dist/database/template.tar.gz');
  const stamp = join(root, 'dist/database/template.json');
  if (!existsSync(script)) return;
  const versions = JSON.stringify(PACKAGES.map((name) => `${name}@${versionOf(name)}`));
  if (existsSync(template) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === versions) return;

  await mkdir(dirname(template), { recursive: true });
  await replace(template, await dump(script));
  await replace(stamp, versions);
}

function versionOf(name) {
  const path = join(root, 'node_modules/@electric-sql', name, 'package.json');
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

function dump(script) {
  const worker = new Worker(script, { workerData: {} });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (reply) => {
      if (reply.error) reject(new Error(reply.error.message));
      else if (reply.dump) resolve(new Uint8Array(reply.dump));
      else worker.postMessage({ id: 1, op: 'dump' });
    });
  }).finally(() => worker.terminate());
}

/** Whole or not at all: another build may be reading. */
async function replace(path, content) {
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, content);
  await rename(unfinished, path);
}
