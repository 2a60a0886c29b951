// Bundles the workers, the one-process program and each stage's function folder into dist/.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, root } from './build/bundle.mjs';
import { buildFunctions } from './build/functions.mjs';
import { buildDatabaseTemplate } from './database-template.mjs';

export async function buildWorkers() {
  const workers = readdirSync(join(root, 'functions'), { recursive: true }).filter((path) =>
    path.endsWith('.worker.ts'),
  );
  if (workers.length === 0) return;
  await bundle({
    entryPoints: workers.map((path) => ({
      in: join(root, 'functions', path),
      out: basename(path, '.worker.ts'),
    })),
    outdir: 'dist/workers',
  });
}

export async function buildProgram() {
  if (!existsSync(join(root, 'functions/_local/cli/main.ts'))) return;
  await bundle({
    entryPoints: [{ in: join(root, 'functions/_local/cli/main.ts'), out: 'knarr' }],
    outdir: 'dist',
  });
}

/** All that the one process needs. */
export async function buildLocal() {
  await buildWorkers();
  await buildDatabaseTemplate();
  await buildProgram();
}

export async function buildAll() {
  await buildLocal();
  await buildFunctions();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
