import { KnarrError } from '../../_shared/errors.ts';
import { callScope } from '../../_shared/runtime/call.ts';
import type { WorkResult } from './protocol.ts';
import type { EncoderWorker, WorkerJob } from './worker.ts';

/** A text's vector. */
export interface Embedding {
  vector: Float32Array;
  /** Tokens of the text, special tokens counted, before any cut. */
  tokens: number;
}

export interface ScheduleOptions {
  /** Tokens of one run of the model. */
  tokenBudget: number;
  /** Tokens that may wait in each lane before callers are turned away. */
  queueTokens: number;
  /** Tokens that a text will probably have. */
  estimate(text: string): number;
}

export interface Work {
  texts: readonly string[];
  /** Somebody waits: goes before what is not urgent. */
  urgent: boolean;
  signal: AbortSignal;
  deadline?: number | undefined;
}

export interface Schedule {
  /** All texts or an error; see {@link Encoder.encode} for which. */
  add(work: Work): Promise<Embedding[]>;
  /** Texts given to the workers so far. */
  readonly dispatched: number;
  /** Rejects everything that waits. */
  close(): void;
}

/** Jobs of each lane given to one worker at a time: one is worked on and the next is at hand when it ends. */
const JOBS_PER_WORKER = 2;
/** Runs that a job has room for, so that the worker can put texts of like length together. */
const RUNS_PER_JOB = 4;
/** While questions come, and this many milliseconds after the last, one of several workers is theirs. */
const QUIET_MS = 2000;
/** What one worker thread embeds in a second with a small model on a CPU, for `Retry-After`. */
const TOKENS_PER_SECOND = 5000;
const MAX_RETRY_AFTER_S = 30;

interface Caller {
  results: Embedding[];
  left: number;
  resolve(results: Embedding[]): void;
  reject(error: KnarrError): void;
  isSettled: boolean;
}
interface Entry {
  caller: Caller;
  index: number;
  text: string;
  tokens: number;
}
interface Lane {
  urgent: boolean;
  entries: Entry[];
  tokens: number;
}
interface RunningJob extends WorkerJob {
  entries: Entry[];
}

/**
 * Greedy batching: whenever a worker has room, what waits is taken, oldest first, with no timed window. Urgent work has a
 * lane of its own: the workers do it first, and while it comes one of several workers does nothing else, so that a
 * question does not wait behind an ingest. Each lane's length is bounded by itself.
 */
export function createSchedule(workers: readonly EncoderWorker[], options: ScheduleOptions): Schedule {
  const lanes = {
    urgent: { urgent: true, entries: [], tokens: 0 } as Lane,
    bulk: { urgent: false, entries: [], tokens: 0 } as Lane,
  };
  const running = new Set<RunningJob>();
  let lastUrgent = Number.NEGATIVE_INFINITY;
  let dispatched = 0;
  let isClosed = false;

  function dispatch(): void {
    for (const lane of [lanes.urgent, lanes.bulk]) {
      const isReserved = !lane.urgent && workers.length > 1 && Date.now() - lastUrgent < QUIET_MS;
      const candidates = isReserved ? workers.slice(1) : workers;
      while (lane.entries.length > 0) {
        const worker = leastBusy(candidates, lane.urgent);
        if (worker.busy(lane.urgent) >= JOBS_PER_WORKER) break;
        void run(worker, take(lane), lane.urgent);
      }
    }
  }

  function take(lane: Lane): Entry[] {
    let tokens = 0;
    let count = 0;
    for (const entry of lane.entries) {
      if (count > 0 && tokens + entry.tokens > options.tokenBudget * RUNS_PER_JOB) break;
      tokens += entry.tokens;
      count++;
    }
    lane.tokens -= tokens;
    return lane.entries.splice(0, count);
  }

  async function run(worker: EncoderWorker, entries: Entry[], urgent: boolean): Promise<void> {
    dispatched += entries.length;
    const job: RunningJob = {
      entries,
      ...worker.encode(
        entries.map(({ text }) => text),
        urgent,
      ),
    };
    running.add(job);
    try {
      deliver(entries, await job.result);
    } catch (thrown) {
      for (const { caller } of entries) end(caller, KnarrError.from(thrown));
    } finally {
      running.delete(job);
      dispatch();
    }
  }

  /** Ends a caller that has not got everything: none of its texts is embedded any more. */
  function end(caller: Caller, error: KnarrError): void {
    if (caller.isSettled) return;
    caller.isSettled = true;
    caller.reject(error);
    for (const lane of Object.values(lanes)) {
      lane.entries = lane.entries.filter((entry) => entry.caller !== caller);
      lane.tokens = lane.entries.reduce((sum, { tokens }) => sum + tokens, 0);
    }
    for (const job of running) if (job.entries.every((entry) => entry.caller.isSettled)) job.cancel();
  }

  async function add({ texts, urgent, signal, deadline }: Work): Promise<Embedding[]> {
    if (isClosed) throw new KnarrError('unavailable', 'The encoder is closed.');
    if (deadline !== undefined && Date.now() >= deadline) {
      throw new KnarrError('deadline_exceeded', 'The deadline passed before the text was embedded.');
    }
    if (signal.aborted) throw KnarrError.from(signal.reason);
    if (texts.length === 0) return [];
    const lane = urgent ? lanes.urgent : lanes.bulk;
    const tokens = texts.map(options.estimate);
    const total = tokens.reduce((sum, count) => sum + count, 0);
    // A call that is larger than the queue may still come when nothing waits, or it never could.
    if (lane.entries.length > 0 && lane.tokens + total > options.queueTokens) {
      const seconds = Math.ceil(lane.tokens / (TOKENS_PER_SECOND * workers.length));
      throw new KnarrError('too_many_requests', 'Too many texts wait to be embedded.', {
        retryAfter: Math.min(MAX_RETRY_AFTER_S, seconds),
      });
    }
    if (urgent) lastUrgent = Date.now();
    const scope = callScope(signal, deadline);
    let onAbort = () => {};
    try {
      return await new Promise((resolve, reject) => {
        const caller: Caller = { results: [], left: texts.length, resolve, reject, isSettled: false };
        onAbort = () => end(caller, KnarrError.from(scope.signal.reason));
        scope.signal.addEventListener('abort', onAbort, { once: true });
        texts.forEach((text, index) => {
          lane.entries.push({ caller, index, text, tokens: tokens[index] as number });
        });
        lane.tokens += total;
        dispatch();
      });
    } finally {
      scope.signal.removeEventListener('abort', onAbort);
      scope.end();
    }
  }

  return {
    add,
    get dispatched() {
      return dispatched;
    },
    close() {
      isClosed = true;
      const callers = new Set(
        Object.values(lanes).flatMap(({ entries }) => entries.map(({ caller }) => caller)),
      );
      for (const caller of callers) end(caller, new KnarrError('unavailable', 'The encoder is closed.'));
    },
  };
}

function deliver(entries: readonly Entry[], { vectors, dimensions, tokens }: WorkResult): void {
  entries.forEach(({ caller, index }, row) => {
    caller.results[index] = {
      vector: vectors.subarray(row * dimensions, (row + 1) * dimensions),
      tokens: tokens[row] as number,
    };
    caller.left--;
    if (caller.left === 0 && !caller.isSettled) {
      caller.isSettled = true;
      caller.resolve(caller.results);
    }
  });
}

const leastBusy = (workers: readonly EncoderWorker[], urgent: boolean): EncoderWorker =>
  workers.reduce((best, worker) => (worker.busy(urgent) < best.busy(urgent) ? worker : best));
