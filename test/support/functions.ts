import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILD = new URL('../../scripts/build/functions.mjs', import.meta.url).href;
const STOCK = createRequire(import.meta.url).resolve('faas-js-runtime/bin/cli.js');

/**
 * Builds a stage's folder away from the repository, as `npm run build` does and `kn func deploy --path` takes it. It finds
 * no packages but the dependencies that it declares.
 */
export async function buildAlone(stage: string, folder: string): Promise<void> {
  const { buildFunction } = await import(BUILD);
  await buildFunction(stage, folder);
  const { dependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), link, 'junction');
  }
}

export interface FunctionProcess {
  url: string;
  /** What it has written so far. */
  lines: string[];
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** The folder's own process, as its `npm start` runs it. */
export const startOwn = (folder: string, env: Record<string, string>) =>
  start([join(folder, 'start.js')], folder, { ...env, PORT: '0' });

/** The folder under stock faas-js-runtime, as its command line runs it. */
export const startStock = (folder: string, env: Record<string, string>) =>
  start([STOCK, 'index.js'], folder, { ...env, FUNC_PORT: '0', FUNC_LOG_LEVEL: 'info' });

/** A Node process that logs where it listens. Resolves once it does; rejects with what it wrote when it ends before. */
export async function start(
  args: string[],
  cwd: string,
  env: Record<string, string>,
): Promise<FunctionProcess> {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const port = await listening(child, lines);
  return {
    url: `http://127.0.0.1:${port}`,
    lines,
    kill: (signal) => void child.kill(signal),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** Both runtimes log the address that they listen on as JSON. */
function listening(child: ChildProcess, lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`It ended with ${code}:\n${lines.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const port = /listening.*http:\/\/[^\s"]+:(\d+)|http:\/\/[^\s"]+:(\d+).*listening/.exec(line);
        if (port) resolve(port[1] ?? port[2] ?? '');
      });
    }
  });
}
