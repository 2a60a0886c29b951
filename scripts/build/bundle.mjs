// esbuild with the settings that everything in dist/ shares.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('../..', import.meta.url));

// Native or WebAssembly packages, which find their files relative to themselves.
const EXTERNAL = [
  'onnxruntime-node',
  '@electric-sql/pglite',
  '@electric-sql/pglite-pgvector',
  '@electric-sql/pglite-pg_textsearch',
  'pg-native',
];

/** zod brings its messages in some fifty languages; errors here are told in English. */
const onlyEnglish = {
  name: 'zod in English only',
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.c?js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/** Bundles into `outdir`; returns esbuild's metafile. `entryPoints` or, in `stdin`, the text of one. */
export async function bundle(options) {
  const result = await build({
    absWorkingDir: root,
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
    // What is not bundled need not be compiled at a cold start: modules can be cut to what is used, CommonJS cannot.
    mainFields: ['module', 'main'],
    plugins: [onlyEnglish],
    // CommonJS packages inside an ESM bundle still call require.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    ...options,
  });
  for (const file of result.outputFiles) await writeIfChanged(file.path, file.contents);
  return result.metafile;
}

/** Leaves a file alone that has this content already, so that what runs from it is not disturbed. */
export async function writeIfChanged(path, contents) {
  if (existsSync(path) && Buffer.compare(await readFile(path), Buffer.from(contents)) === 0) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
