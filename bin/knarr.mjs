#!/usr/bin/env node
// npx knarr …: in a clone that has not been built yet, it installs and builds first.
import { existsSync } from 'node:fs';

const program = new URL('../dist/knarr.js', import.meta.url);
if (!existsSync(program)) {
  const { ensureInstalled } = await import('../scripts/install.mjs');
  ensureInstalled();
  const { buildLocal } = await import('../scripts/build.mjs');
  await buildLocal();
}
await import(program.href);
