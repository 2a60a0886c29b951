import { KnarrError } from '../../_shared/errors.ts';
import { admit } from './batch.ts';
import type { EncoderWorker } from './worker.ts';

/** A text that waits for its vector. */
export interface Entry {
  text: string;
  /** Tokens it will probably have. */
  estimate: number;
  signal: AbortSignal;
  deadline?: number | undefined;
}
export interface EntryResult {
  vector: Float32Array;
  tokens: number;
}

interface Queued extends Entry {
  resolve(result: EntryResult): void;
  reject(error: KnarrError): void;
}

export interface Schedule {
  add(entry: Entry): Promise<EntryResult>;
  /** Rejects everything that waits. */
  close(): void;
}

/** Runs given to one worker at a time: one runs and the next is at hand when it ends. */
const RUNS_PER_WORKER = 2;

/**
 * Greedy batching: whenever a worker has room, what waits is taken, with no timed window. Work with a deadline has a
 * lane of its own that goes first, and with several workers bulk work leaves one of them to it, so that a question
 * does not wait behind an ingest. Bulk work goes on in the other workers however many questions come.
 */
export function createSchedule(
  workers: readonly EncoderWorker[],
  { tokenBudget, queueTokens }: { tokenBudget: number; queueTokens: number },
): Schedule {
  const urgent: Queued[] = [];
  const bulk: Queued[] = [];
  const bulkWorkers = workers.length > 1 ? workers.slice(1) : workers;
  let waitingTokens = 0;

  function take(lane: Queued[]): Queued[] {
    for (let index = lane.length - 1; index >= 0; index--) {
      const entry = lane[index] as Queued;
      const dropped = dropReason(entry);
      if (!dropped) continue;
      lane.splice(index, 1);
      waitingTokens -= entry.estimate;
      entry.reject(dropped);
    }
    const batch = lane.splice(
      0,
      lane.length === 0
        ? 0
        : admit(
            lane.map(({ estimate }) => estimate),
            tokenBudget,
          ),
    );
    waitingTokens -= batch.reduce((sum, { estimate }) => sum + estimate, 0);
    return batch;
  }

  function dispatch(): void {
    for (const [lane, candidates] of [
      [urgent, workers],
      [bulk, bulkWorkers],
    ] as const) {
      for (;;) {
        const worker = leastBusy(candidates);
        if (lane.length === 0 || worker.busy >= RUNS_PER_WORKER) break;
        const batch = take(lane);
        if (batch.length > 0) void runBatch(worker, batch);
      }
    }
  }

  async function runBatch(worker: EncoderWorker, batch: Queued[]): Promise<void> {
    try {
      const { vectors, dimensions, tokens } = await worker.encode(batch.map(({ text }) => text));
      batch.forEach(({ resolve }, row) => {
        resolve({
          vector: vectors.slice(row * dimensions, (row + 1) * dimensions),
          tokens: tokens[row] ?? 0,
        });
      });
    } catch (thrown) {
      for (const { reject } of batch) reject(KnarrError.from(thrown));
    } finally {
      dispatch();
    }
  }

  return {
    add(entry) {
      const dropped = dropReason(entry);
      if (dropped) return Promise.reject(dropped);
      if (waitingTokens + entry.estimate > queueTokens) {
        return Promise.reject(
          new KnarrError('too_many_requests', 'The embedding queue is full.', { retryAfter: 1 }),
        );
      }
      waitingTokens += entry.estimate;
      return new Promise((resolve, reject) => {
        (entry.deadline === undefined ? bulk : urgent).push({ ...entry, resolve, reject });
        // After the current turn, so that texts of one call are batched together.
        setImmediate(dispatch);
      });
    },
    close() {
      for (const { reject } of [...urgent.splice(0), ...bulk.splice(0)]) {
        reject(new KnarrError('unavailable', 'The encoder is closed.'));
      }
    },
  };
}

function dropReason({ signal, deadline }: Entry): KnarrError | undefined {
  if (deadline !== undefined && Date.now() >= deadline) {
    return new KnarrError('deadline_exceeded', 'The deadline passed while the text waited to be embedded.');
  }
  return signal.aborted ? KnarrError.from(signal.reason) : undefined;
}

const leastBusy = (workers: readonly EncoderWorker[]): EncoderWorker =>
  workers.reduce((best, worker) => (worker.busy < best.busy ? worker : best));
