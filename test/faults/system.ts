import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Faults } from './boundaries.ts';

const VICTIM = fileURLToPath(new URL('./victim.ts', import.meta.url));

/** The system under test as a process that dies and comes back on the same port. */
export interface System {
  readonly url: string;
  readonly pid: number;
  /** Deaths that were not asked for by `stop`. */
  readonly deaths: number;
  /** What goes wrong from the next start on. */
  faults: Faults;
  /** @param part the process that gets it, where there are several; else the one that answers `url` */
  kill(signal: NodeJS.Signals, part?: string): void;
  /** Resolves when the process that runs now is gone. */
  gone(): Promise<void>;
  /** Starts it again; resolves when it serves. */
  start(): Promise<void>;
  /** Ends it in order. Resolves with its exit code. */
  stop(): Promise<number | null>;
}

export interface SystemOptions {
  folder: string;
  port: number;
  env?: Record<string, string>;
}

/** Starts nothing yet. Its log goes to `victim.log` in the folder. */
export function createSystem({ folder, port, env = {} }: SystemOptions): System {
  let child: ChildProcess | undefined;
  let deaths = 0;
  const url = `http://127.0.0.1:${port}`;
  const running = () => {
    if (!child) throw new Error('The system has not been started.');
    return child;
  };
  const system: System = {
    url,
    faults: {},
    get pid() {
      return running().pid as number;
    },
    get deaths() {
      return deaths;
    },
    kill: (signal) => void process.kill(running().pid as number, signal),
    async gone() {
      const one = running();
      if (one.exitCode === null && one.signalCode === null) await once(one, 'exit');
    },
    async start() {
      child = spawn(process.execPath, ['--import', 'tsx', VICTIM], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          LOG_LEVEL: 'warn',
          PORT: String(port),
          KNARR_DATA_DIR: join(folder, 'data'),
          KNARR_EMBED_WORKERS: '1',
          KNARR_REDRIVE_AFTER: '2s',
          KNARR_SWEEP_EVERY: '500ms',
          ...env,
          FAULTS: JSON.stringify(system.faults),
          FAULT_LOG: join(folder, 'faults.log'),
        },
      });
      const one = child;
      one.stderr?.on('data', (line) => appendFileSync(join(folder, 'victim.log'), line));
      one.once('exit', (_, signal) => {
        if (signal === 'SIGKILL') deaths++;
      });
      for await (const line of createInterface({ input: one.stdout as NodeJS.ReadableStream })) {
        if (line.startsWith('{')) return;
      }
      await system.gone();
      // Killed at a boundary while it started: work that had been left over was taken up at once.
      if (one.signalCode === 'SIGKILL') return;
      throw new Error(`The system did not start (exit ${one.exitCode}); see ${join(folder, 'victim.log')}.`);
    },
    async stop() {
      const one = running();
      if (one.exitCode === null && one.signalCode === null) {
        one.kill('SIGTERM');
        await once(one, 'exit');
      }
      return one.exitCode;
    },
  };
  return system;
}

/** Keeps it running: whenever it dies it is started again, until the returned function is called. */
export function keepAlive(system: System, afterDeath: () => void = () => {}): () => Promise<void> {
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      await system.gone();
      if (ended) return;
      afterDeath();
      await system.start();
    }
  })();
  return async () => {
    ended = true;
    await Promise.race([watching, Promise.resolve()]);
  };
}
