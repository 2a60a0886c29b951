import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ServerProcess {
  url: string;
  /** Ends it; resolves when the last of its log has been heard. */
  stop(): Promise<void>;
}

/** Lines of the log that are kept for when it does not start. */
const KEPT_LINES = 50;

/** Starts the pipeline in a process of its own, at the lowest log level. `onLine` gets each line that it logs. */
export async function startServer(
  env: Record<string, string>,
  onLine: (line: string) => void,
): Promise<ServerProcess> {
  const script = fileURLToPath(new URL('server.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', PORT: '0', LOG_LEVEL: 'trace', ...env },
  });
  const first: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (first.length < KEPT_LINES) first.push(line);
    onLine(line);
  });
  const ended = once(child, 'close');
  const said = once(child.stdout.setEncoding('utf8'), 'data') as Promise<[string]>;
  const url = await Promise.race([
    said.then(([line]) => line.trim()),
    ended.then(() => Promise.reject(new Error(`It ended at its start:\n${first.join('\n')}`))),
  ]);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
