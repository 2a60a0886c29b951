import { workerFile } from '../../_shared/assets.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { ModelThread } from '../../_shared/models/thread.ts';
import type { WorkerInfo, WorkerSettings, WorkReply, WorkRequest, WorkResult } from './protocol.ts';

/** Texts on their way through a worker. */
export interface WorkerJob {
  result: Promise<WorkResult>;
  /** Nobody waits any more: what has not been run is not run. `result` rejects with `cancelled`. */
  cancel(): void;
}

interface Pending {
  urgent: boolean;
  resolve(result: WorkResult): void;
  reject(error: KnarrError): void;
}

/** One worker thread with one session. When the thread dies its jobs fail as `unavailable` and the next job starts another. */
export class EncoderWorker {
  readonly #jobs = new Map<number, Pending>();
  readonly #thread: ModelThread<WorkRequest, WorkReply, WorkerInfo>;
  #nextId = 0;

  constructor(settings: WorkerSettings) {
    this.#thread = new ModelThread({
      script: workerFile('encoder'),
      workerData: settings,
      role: 'embedding worker',
      ready: (reply) => ('ready' in reply ? reply.ready : undefined),
      onMessage: (reply) => this.#onReply(reply),
      onDeath: (error) => {
        for (const id of [...this.#jobs.keys()]) this.#take(id)?.reject(error);
      },
    });
  }

  /** Jobs of one kind that are not finished. */
  busy(urgent: boolean): number {
    let count = 0;
    for (const job of this.#jobs.values()) if (job.urgent === urgent) count++;
    return count;
  }

  /** Starts the thread unless it runs. Rejects with `unavailable` when the model cannot be loaded. */
  start(): Promise<WorkerInfo> {
    return this.#thread.start();
  }

  encode(texts: string[], urgent: boolean): WorkerJob {
    const id = this.#nextId++;
    const result = new Promise<WorkResult>((resolve, reject) => {
      this.#jobs.set(id, { urgent, resolve, reject });
    });
    this.start().then(
      () => this.#jobs.has(id) && this.#thread.post({ id, texts, urgent }),
      (error) => this.#take(id)?.reject(KnarrError.from(error)),
    );
    return { result, cancel: () => this.#thread.post({ cancel: id }) };
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  #onReply(reply: WorkReply): void {
    if ('ready' in reply) return;
    const job = this.#take(reply.id);
    if ('result' in reply) job?.resolve(reply.result);
    else if ('dropped' in reply) job?.reject(new KnarrError('cancelled', 'The caller went away.'));
    else job?.reject(new KnarrError('internal', 'The model could not be run.', { cause: reply.error }));
  }

  #take(id: number): Pending | undefined {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    return job;
  }
}
