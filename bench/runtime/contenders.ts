import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface Contender {
  name: string;
  command: string[];
  env(port: number): Record<string, string>;
}

const local = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const quiet = (port: number) => ({ PORT: String(port), LOG_LEVEL: 'warn' });

export const BARE = 'node:http alone';
export const HOSTED = 'Knarr, func module';
export const STAGE = 'Knarr, stage';
export const STOCK = 'faas-js-runtime 3.0.2';

/** One process each: the peer, ours in both forms, and what Node alone can do. Ours are bundled, as they are deployed. */
export async function contenders(folder: string): Promise<Contender[]> {
  const { bundle } = await import(new URL('../../scripts/build/bundle.mjs', import.meta.url).href);
  await bundle({
    entryPoints: [local('host.ts'), local('stage.ts')],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
  });
  await cp(local('echo.mjs'), join(folder, 'echo.mjs'));
  const stock = createRequire(import.meta.url).resolve('faas-js-runtime/bin/cli.js');
  return [
    { name: BARE, command: [local('bare.mjs')], env: quiet },
    { name: HOSTED, command: [join(folder, 'host.mjs'), 'echo.mjs'], env: quiet },
    { name: STAGE, command: [join(folder, 'stage.mjs')], env: quiet },
    {
      name: STOCK,
      command: [stock, 'echo.mjs'],
      env: (port) => ({ FUNC_PORT: String(port), FUNC_LOG_LEVEL: 'warn' }),
    },
  ];
}

export interface Running {
  name: string;
  url: string;
  /** Milliseconds from the start of the process to its first answer. */
  coldMs: number;
  /** Resident memory, MB. */
  rss(): Promise<number>;
  /** Processor time used so far, ms. */
  cpu(): Promise<number>;
  stop(): Promise<void>;
}

export interface Call {
  headers: Record<string, string>;
  body: string;
}

/** Starts a process and calls it until it answers. */
export async function launch(contender: Contender, folder: string, first: Call): Promise<Running> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const started = performance.now();
  const child = spawn(process.execPath, contender.command, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...contender.env(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!(await answers(url, first, child))) await sleep(2);
  return {
    name: contender.name,
    url,
    coldMs: performance.now() - started,
    async rss() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
    },
    async cpu() {
      // proc(5): after the name in brackets utime and stime are the 12th and 13th field, in ticks of 10 ms.
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function answers(url: string, { headers, body }: Call, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}.`);
  try {
    const response = await fetch(url, { method: 'POST', headers: { ...headers, connection: 'close' }, body });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
