// npm start: install when needed, build, run the whole pipeline in this process. Arguments go to `knarr up`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';

ensureInstalled();
console.error('Building …');
const { buildLocal } = await import('./build.mjs');
await buildLocal();
// Whoever starts it by hand wants to read what it says, wherever that goes.
const readable = process.argv.includes('--json') ? [] : ['--no-json'];
process.argv.splice(2, 0, 'up', ...readable);
await import(pathToFileURL(join(root, 'dist/knarr.js')).href);
