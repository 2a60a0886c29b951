// npm start: install when needed, build, run the whole pipeline in this process. Arguments go to `knarr up`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';

// An image was built beforehand, and its compiler is gone.
const isImage = existsSync(join(root, 'dist/knarr.js')) && !existsSync(join(root, 'node_modules/esbuild'));
if (!isImage) {
  ensureInstalled();
  console.error('Building …');
  const { buildLocal } = await import('./build.mjs');
  await buildLocal();
}
// Whoever starts it by hand wants to read what it says, wherever that goes.
const readable = process.argv.includes('--json') ? [] : ['--no-json'];
// As a function it holds what its users give it.
const examples = process.env.K_SERVICE === undefined ? [] : ['--no-examples'];
process.argv.splice(2, 0, 'up', ...readable, ...examples);
await import(pathToFileURL(join(root, 'dist/knarr.js')).href);
