import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface ServerProcess {
  url: string;
  /** Everything that it has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts the pipeline in a process of its own, at the lowest log level. */
export async function startServer(env: Record<string, string>): Promise<ServerProcess> {
  const script = fileURLToPath(new URL('server.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', PORT: '0', LOG_LEVEL: 'trace', ...env },
  });
  const log: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.push(text));
  const ended = once(child, 'close');
  const said = once(child.stdout.setEncoding('utf8'), 'data') as Promise<[string]>;
  const url = await Promise.race([
    said.then(([line]) => line.trim()),
    ended.then(() => Promise.reject(new Error(`It ended at its start:\n${log.join('')}`))),
  ]);
  return {
    url,
    log: () => log.join(''),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
