import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { workerFile } from '../../_shared/assets.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { Parsed, ParseRequest, ReaderMessage, ReaderSettings } from './protocol.ts';

export interface ReaderLimits {
  /** Longest time for one document, ms. */
  timeoutMs: number;
  /** Memory that the process may use, bytes. */
  memoryBytes: number;
  /** The process's program; by default the one that is built from `parser.worker.ts`. */
  program?: string;
}

/** A child process that reads one document at a time. */
export interface Reader {
  /** False when the process has ended or is about to: it is to be replaced. */
  alive(): boolean;
  /** Whether it ended of itself, by the fault of what it reads or of what it had read before. */
  hasFailed(): boolean;
  /** Rejects with what is wrong with the document, or with `unavailable` when the process failed for another reason. */
  parse(request: ParseRequest, signal: AbortSignal): Promise<Parsed>;
  /** Ends the process at once; what it reads is rejected with this error. */
  kill(error?: KnarrError): void;
}

/** Longest time until a new process is ready, ms. */
const START_MS = 30_000;
/** How often a working process's memory is looked at, ms. */
const WATCH_MS = 50;
/** Of the memory that a reader may use, what JavaScript's heap may; the rest is for the bytes of the document and its parts. */
const HEAP_SHARE = 2 / 3;
/** Signals by which the system or an operator ends a process whatever it does; others are its own fault. */
const FROM_OUTSIDE: readonly (string | null)[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];

export function startReader(
  settings: ReaderSettings,
  { timeoutMs, memoryBytes, program = workerFile('parser') }: ReaderLimits,
): Reader {
  const heap = Math.max(64, Math.floor((memoryBytes / 2 ** 20) * HEAP_SHARE));
  const child = fork(program, {
    serialization: 'advanced',
    execArgv: [`--max-old-space-size=${heap}`],
    // It needs nothing of the environment, and has no terminal.
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let verdict: KnarrError | undefined;
  let isReady = false;
  let isEnding = false;
  const kill = (error = new KnarrError('unavailable', 'The reader of documents was ended.')) => {
    verdict ??= error;
    child.kill('SIGKILL');
  };
  child.on('message', (message: ReaderMessage) => {
    isEnding ||= 'isLast' in message;
  });
  // Also keeps an event named "error" from being thrown.
  child.on('error', (cause) =>
    kill(new KnarrError('unavailable', 'The reader of documents failed.', { cause })),
  );

  /** The next message, or the reason why there is none. */
  function answer(): Promise<Exclude<ReaderMessage, { error: unknown }>> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        child.off('message', said).off('exit', ended);
        finish();
      };
      const said = (message: ReaderMessage) =>
        settle(() => {
          if ('error' in message) reject(new KnarrError(message.error.code, message.error.message));
          else resolve(message);
        });
      const ended = () => settle(() => reject(verdict ?? deathOf(child, isReady, memoryBytes)));
      child.on('message', said).on('exit', ended);
      if (!alive()) ended();
    });
  }

  async function guarded<T>(limitMs: number, late: KnarrError, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => kill(late), limitMs);
    const watch = setInterval(() => {
      if (residentBytes(child.pid) > memoryBytes) kill(tooMuchMemory(memoryBytes));
    }, WATCH_MS);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
      clearInterval(watch);
    }
  }

  const alive = () =>
    !isEnding && child.connected && child.exitCode === null && child.signalCode === null && !child.killed;
  const send = (message: ReaderSettings | ParseRequest) =>
    child.send(message, (cause) => {
      if (cause) kill(new KnarrError('unavailable', 'The reader of documents failed.', { cause }));
    });

  const slowStart = new KnarrError('unavailable', 'The reader of documents does not start.');
  const starting = guarded(START_MS, slowStart, answer()).then(() => {
    isReady = true;
  });
  starting.catch(() => {});
  send(settings);

  return {
    alive,
    hasFailed: () => isReady && !alive() && verdict === undefined && !FROM_OUTSIDE.includes(child.signalCode),
    kill,
    async parse(request, signal) {
      const leave = () => kill(KnarrError.from(signal.reason));
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      try {
        await starting;
        const reply = guarded(timeoutMs, tooSlow(timeoutMs), answer());
        send(request);
        const said = await reply;
        if ('parsed' in said) return said.parsed;
        throw new KnarrError('internal', 'The reader of documents said something else than was asked.');
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}

/** Why a process ended that nobody here has killed. */
function deathOf({ signalCode, exitCode }: ChildProcess, isReady: boolean, memoryBytes: number): KnarrError {
  const how = signalCode ?? `exit code ${exitCode}`;
  if (!isReady) return new KnarrError('unavailable', `The reader of documents does not start (${how}).`);
  if (FROM_OUTSIDE.includes(signalCode))
    return new KnarrError('unavailable', `The reader of documents was ended by ${how}.`);
  // V8 aborts when its heap is full.
  if (signalCode === 'SIGABRT' || exitCode === 134) return tooMuchMemory(memoryBytes);
  return new KnarrError('unprocessable', `Reading the document made its reader fail (${how}).`);
}

const tooSlow = (ms: number) =>
  new KnarrError('unprocessable', `Reading the document took longer than ${ms} ms (KNARR_PARSE_TIMEOUT).`);

const tooMuchMemory = (bytes: number) =>
  new KnarrError(
    'unprocessable',
    `Reading the document took more memory than ${Math.round(bytes / 2 ** 20)} MiB allow (KNARR_PARSE_MEMORY).`,
  );

/** Resident memory of a process; 0 where the system does not tell: only Linux has /proc. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
