// npm start: install when needed, build, run the whole pipeline in this process.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';

ensureInstalled();
const { buildAll } = await import('./build.mjs');
await buildAll();
process.argv.splice(2, 0, 'up');
await import(pathToFileURL(join(root, 'dist/knarr.js')).href);
