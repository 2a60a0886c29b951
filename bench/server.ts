import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Server {
  url: string;
  /** Milliseconds from the start of the process to its first answer on /health/readiness. */
  readyMs: number;
  /** Resident memory of the process, MB. */
  rss(): Promise<number>;
  /** Processor time it has used so far, seconds. */
  cpu(): Promise<number>;
  stop(): Promise<void>;
}

/** Runs the built one-process program on a free port over a data folder. */
export async function startServer(dataDir: string, env: Record<string, string> = {}): Promise<Server> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('../dist/knarr.js', import.meta.url)),
      'up',
      '--no-examples',
      '--port',
      '0',
      '--data',
      dataDir,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LOG_LEVEL: 'error', ...env } },
  );
  const url = await firstUrl(child);
  while (
    !(await fetch(`${url}/health/readiness`).then(
      (answer) => answer.ok,
      () => false,
    ))
  );
  const readyMs = performance.now() - started;
  return {
    url,
    readyMs,
    async rss() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
    },
    async cpu() {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '');
      // utime and stime, of which Linux counts 100 a second.
      const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number);
      return ((user ?? Number.NaN) + (system ?? Number.NaN)) / 100;
    },
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function firstUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no output to read');
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('{')) return (JSON.parse(line) as { url: string }).url;
  }
  throw new Error('the server ended before it was ready');
}
