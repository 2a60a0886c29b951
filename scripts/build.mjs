// Bundles the workers, the one-process program and each stage's function folder into dist/.
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildDatabaseTemplate } from './database-template.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

// Native or WebAssembly packages, which find their files relative to themselves.
const EXTERNAL = [
  'onnxruntime-node',
  '@electric-sql/pglite',
  '@electric-sql/pglite-pgvector',
  '@electric-sql/pglite-pg_textsearch',
  'pg-native',
];

async function bundle(entryPoints, outdir) {
  const result = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: 'linked',
    legalComments: 'none',
    logLevel: 'error',
    metafile: true,
    external: EXTERNAL,
    // CommonJS packages inside an ESM bundle still call require.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  for (const file of result.outputFiles) await writeIfChanged(file.path, file.contents);
  return result.metafile;
}

async function writeIfChanged(path, contents) {
  if (existsSync(path) && Buffer.compare(await readFile(path), contents) === 0) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}

export async function buildWorkers() {
  const workers = readdirSync(join(root, 'functions'), { recursive: true })
    .filter((path) => path.endsWith('.worker.ts'))
    .map((path) => join('functions', path));
  if (workers.length === 0) return;
  await bundle(
    workers.map((path) => ({ in: join(root, path), out: basename(path, '.worker.ts') })),
    'dist/workers',
  );
}

async function buildProgram() {
  if (!existsSync(join(root, 'functions/_local/cli/main.ts'))) return;
  await bundle([{ in: join(root, 'functions/_local/cli/main.ts'), out: 'knarr' }], 'dist');
}

export async function buildAll() {
  await buildWorkers();
  await buildDatabaseTemplate();
  await buildProgram();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
