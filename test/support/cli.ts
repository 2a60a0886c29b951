import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/knarr.js', import.meta.url));

const BUILD = new URL('../../scripts/build.mjs', import.meta.url).href;

/** Brings the program up to date with its sources. */
export async function buildKnarr(): Promise<void> {
  const { buildProgram } = await import(BUILD);
  await buildProgram();
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Standard output as JSON lines. */
  lines: any[];
}

export interface RunOptions {
  /** Standard input. */
  input?: string;
  cwd?: string;
  env?: Record<string, string>;
}

/** The built program as a process of its own. */
export class Knarr {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], { input, cwd, env }: RunOptions = {}) {
    this.child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, LOG_LEVEL: 'error', ...env },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.#stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text;
    });
    this.child.stdin?.end(input);
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
      lines: this.lines(),
    }));
  }

  /** What it has said so far, as JSON lines. */
  lines(): any[] {
    const whole = this.#stdout.slice(0, this.#stdout.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  /** Waits for a line of JSON; throws what was said when the program ends without it. */
  async line(isWanted: (line: any) => boolean): Promise<any> {
    for (;;) {
      const found = this.lines().find(isWanted);
      if (found) return found;
      if (this.child.exitCode !== null) throw new Error(`It ended without: ${this.#stdout}${this.#stderr}`);
      await Promise.race([once(this.child.stdout as NodeJS.EventEmitter, 'data'), this.ended]);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Runs one command to its end. */
export const knarr = (args: readonly string[], options?: RunOptions): Promise<Ended> =>
  new Knarr(args, options).ended;
