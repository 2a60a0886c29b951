import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { STAGES } from '../functions/_shared/stage.ts';
import { builtStage, ensureBuilt } from '../test/support/arrangements/build.ts';

const PRUNE = new URL('../scripts/build/prune-native.mjs', import.meta.url).href;

/** What each stage's folder weighs as an image has it: bundle, model, and production dependencies for this platform. */
export async function sizesBench(): Promise<void> {
  await ensureBuilt();
  const { pruneNative } = await import(PRUNE);
  const table = new Table({
    head: ['stage', 'bundle, kB', 'model, MB', 'dependencies, MB', 'folder, MB', 'without source maps, MB'],
  });
  for (const stage of STAGES) {
    const folder = mkdtempSync(join(tmpdir(), `knarr-size-${stage}-`));
    try {
      cpSync(builtStage(stage), folder, { recursive: true });
      rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
      const { status, stderr } = spawnSync('npm', ['ci', '--omit=dev', '--no-fund', '--no-audit'], {
        cwd: folder,
        encoding: 'utf8',
      });
      if (status !== 0) return console.log(`not run: npm ci failed for ${stage}: ${stderr}`);
      pruneNative(join(folder, 'node_modules'));
      const files = bytesOf(folder);
      const sum = (which: (path: string) => boolean) =>
        files.reduce((total, [path, bytes]) => total + (which(path) ? bytes : 0), 0);
      const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
      table.push([
        stage,
        (sum((path) => path === 'index.js') / 1000).toFixed(0),
        megabytes(sum((path) => path.startsWith('models/'))),
        megabytes(sum((path) => path.startsWith('node_modules/'))),
        megabytes(sum(() => true)),
        megabytes(sum((path) => !path.endsWith('.map'))),
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.log(table.toString());
}

/** Every file below a folder with its size; links count for nothing. */
function bytesOf(folder: string): [path: string, bytes: number][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), statSync(path).size];
    });
}
