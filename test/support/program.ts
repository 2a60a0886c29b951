import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that a test has started. */
export interface Program {
  pid: number;
  /** What it has written so far, both streams. */
  lines: readonly string[];
  /** Waits for a line that matches; rejects with what was written when the process ends first. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** Asks it to end, and ends it after `patience` milliseconds; resolves when it is gone. */
  stop(signal?: NodeJS.Signals, patience?: number): Promise<void>;
}

export interface ProgramOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Network namespace to run it in, as `ip netns` knows it. */
  namespace?: string | undefined;
}

/** Where a program of that name is on PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Starts it with no environment but PATH and `env`. On Linux it ends with this process, however that ends. */
export function startProgram(
  command: string,
  args: readonly string[],
  { env = {}, cwd, namespace }: ProgramOptions = {},
): Program {
  const line = [
    ...(onPath('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : []),
    ...(namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]),
    command,
    ...args,
  ];
  const child = spawn(line[0] as string, line.slice(1), {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // What cannot be started says so by never being ready.
  child.on('error', () => {});
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (text) => {
      lines.push(text);
      for (const listener of listeners) listener();
    });
  }
  const exited = once(child, 'close').catch(() => {});
  const isGone = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? -1,
    lines,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.map((text) => pattern.exec(text)).find((match) => match !== null);
          if (!found) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        look();
        exited.then(() => reject(new Error(`${line.join(' ')} ended:\n${lines.slice(-30).join('\n')}`)));
      }),
    signal: (name) => void child.kill(name),
    async stop(signal = 'SIGTERM', patience = 10_000) {
      if (!isGone()) {
        child.kill(signal);
        await Promise.race([exited, sleep(patience, undefined, { ref: false })]);
        if (!isGone()) child.kill('SIGKILL');
      }
      await exited;
    },
  };
}

/** Ends programs and whatever else was opened, the last first; everything is ended even when one cannot be. */
export function closerOf(closers: (() => unknown)[]): () => Promise<void> {
  return async () => {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).reverse()) {
      try {
        await close();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Not everything was ended.');
  };
}

/** Asks until the answer is true; throws with `what` after `patience` milliseconds. */
export async function until(
  what: string,
  ask: () => Promise<boolean> | boolean,
  patience = 60_000,
): Promise<void> {
  const giveUp = Date.now() + patience;
  while (!(await ask())) {
    if (Date.now() > giveUp) throw new Error(what);
    await sleep(50);
  }
}
