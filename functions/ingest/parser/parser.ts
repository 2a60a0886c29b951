import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import PQueue from 'p-queue';
import { workerFile } from '../../_shared/assets.ts';
import { type ErrorCode, KnarrError } from '../../_shared/errors.ts';
import type { Parsed, ParseReply, ParseRequest, ParserSettings } from './protocol.ts';

export interface ParserOptions extends ParserSettings {
  /** Child processes, one document each at a time. */
  processes: number;
  /** Longest time for one document, ms. */
  timeoutMs: number;
  /** Memory that a child may use, bytes. */
  memoryBytes: number;
  /** Documents that may wait before callers are turned away. */
  queue: number;
  /** A child without work for this long is ended, ms. */
  idleMs: number;
}

export interface Parser {
  /** Rejects with `unprocessable`, `unsupported_media_type` or `too_large` for the document, `too_many_requests` for a full queue. */
  parse(document: Omit<ParseRequest, 'id'>, signal?: AbortSignal): Promise<Parsed>;
  close(): Promise<void>;
}

/** How often a working child's memory is looked at, ms. */
const WATCH_MS = 100;
const PAGE_BYTES = 4096;

/**
 * Parses documents in child processes that are killed when one takes too long or too much memory, so that the document
 * fails and nothing else does. Children start with the first document and end when there is nothing to do.
 */
export function createParser(options: ParserOptions): Parser {
  const queue = new PQueue({ concurrency: options.processes });
  const idle: ChildProcess[] = [];
  const idleTimers = new Map<ChildProcess, NodeJS.Timeout>();
  let closed = false;

  function spawn(): ChildProcess {
    const heap = Math.max(64, Math.floor(options.memoryBytes / 2 ** 20 / 2));
    const child = fork(workerFile('parser'), {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${heap}`],
      // It reads documents only: nothing of the environment, no terminal.
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const { modelDir, extract, chunk } = options;
    child.send({ modelDir, extract, chunk } satisfies ParserSettings);
    return child;
  }

  function take(): ChildProcess {
    const child = idle.pop();
    if (!child) return spawn();
    clearTimeout(idleTimers.get(child));
    idleTimers.delete(child);
    return child;
  }

  function giveBack(child: ChildProcess): void {
    if (child.exitCode !== null || child.signalCode !== null || !child.connected) return;
    if (closed) return void child.kill();
    idle.push(child);
    const timer = setTimeout(() => {
      idle.splice(idle.indexOf(child), 1);
      idleTimers.delete(child);
      child.kill();
    }, options.idleMs);
    idleTimers.set(child, timer.unref());
  }

  async function run(document: Omit<ParseRequest, 'id'>, signal?: AbortSignal): Promise<Parsed> {
    signal?.throwIfAborted();
    const child = take();
    try {
      return await parseIn(child, document, options, signal);
    } finally {
      giveBack(child);
    }
  }

  return {
    async parse(document, signal) {
      if (closed) throw new KnarrError('unavailable', 'The parser is closed.');
      if (queue.size >= options.queue)
        throw new KnarrError('too_many_requests', 'Too many documents wait to be read.', { retryAfter: 2 });
      return queue.add(() => run(document, signal)) as Promise<Parsed>;
    },
    async close() {
      closed = true;
      queue.clear();
      await queue.onIdle();
      for (const child of idle.splice(0)) {
        clearTimeout(idleTimers.get(child));
        child.kill();
      }
    },
  };
}

function parseIn(
  child: ChildProcess,
  document: Omit<ParseRequest, 'id'>,
  { timeoutMs, memoryBytes }: ParserOptions,
  signal: AbortSignal | undefined,
): Promise<Parsed> {
  return new Promise((resolve, reject) => {
    let verdict: KnarrError | undefined;
    const kill = (error: KnarrError) => {
      verdict ??= error;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => {
      kill(
        new KnarrError(
          'unprocessable',
          `Reading the document took longer than ${timeoutMs} ms (KNARR_PARSE_TIMEOUT).`,
        ),
      );
    }, timeoutMs);
    const watch = setInterval(() => {
      if (residentBytes(child.pid) > memoryBytes) kill(tooMuchMemory(memoryBytes));
    }, WATCH_MS);
    const leave = () => kill(KnarrError.from(signal?.reason));
    const ended = () => settle(() => reject(verdict ?? tooMuchMemory(memoryBytes)));
    const replied = (reply: ParseReply) =>
      settle(() => {
        if ('parsed' in reply) resolve(reply.parsed);
        else reject(new KnarrError(reply.error.code as ErrorCode, reply.error.message));
      });
    function settle(finish: () => void): void {
      clearTimeout(timer);
      clearInterval(watch);
      signal?.removeEventListener('abort', leave);
      child.off('exit', ended).off('message', replied);
      finish();
    }
    signal?.addEventListener('abort', leave, { once: true });
    child.once('exit', ended).once('message', replied);
    child.send({ id: 0, ...document } satisfies ParseRequest, (error) => {
      if (error) ended();
    });
  });
}

/** A child that died by itself ran out of its heap. */
const tooMuchMemory = (bytes: number) =>
  new KnarrError(
    'unprocessable',
    `Reading the document needed more than ${Math.round(bytes / 2 ** 20)} MiB of memory.`,
  );

/** Resident memory of a process; 0 where the system does not tell (only Linux has /proc). */
function residentBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
