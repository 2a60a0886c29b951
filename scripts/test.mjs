// npm test: install when needed, build, types, lint and format, then every suite. Arguments go to Vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, root } from './install.mjs';

ensureInstalled();
const { buildAll } = await import('./build.mjs');
await buildAll();

const bin = (name) => join(root, 'node_modules', '.bin', name);
const run = (command, args) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' }).status === 0;

let passed = 0;
let failed = 0;
let skipped = 0;
for (const [name, ok] of [
  ['types', run(bin('tsc'), ['--noEmit'])],
  ['lint and format', run(bin('biome'), ['check', '--error-on-warnings', '.'])],
]) {
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`);
  ok ? passed++ : failed++;
}

const folder = mkdtempSync(join(tmpdir(), 'knarr-test-'));
const report = join(folder, 'report.json');
const suites = run(bin('vitest'), [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
try {
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed += result.numPassedTests;
  // A suite that cannot be loaded counts no test, yet it has failed.
  failed += Math.max(result.numFailedTests, suites ? 0 : 1);
  skipped += result.numPendingTests + result.numTodoTests;
} catch {
  failed++;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
