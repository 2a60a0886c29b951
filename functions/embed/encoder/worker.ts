import { Worker } from 'node:worker_threads';
import { workerFile } from '../../_shared/assets.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { WorkerSettings, WorkReply } from './protocol.ts';

export interface WorkResult {
  dimensions: number;
  /** `[texts, dimensions]`, row by row. */
  vectors: Float32Array;
  tokens: number[];
}

interface Job {
  resolve(result: WorkResult): void;
  reject(error: KnarrError): void;
}

/** One worker thread with one session. When the thread dies its jobs fail as `unavailable` and the next job starts another. */
export class EncoderWorker {
  readonly #settings: WorkerSettings;
  readonly #jobs = new Map<number, Job>();
  #worker: Worker | undefined;
  #started: Promise<number> | undefined;
  #nextId = 0;
  #closed = false;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  /** Jobs given and not finished. */
  get busy(): number {
    return this.#jobs.size;
  }

  /** Starts the thread unless it runs; resolves with the length of the model's vectors. Rejects when the model cannot be loaded. */
  start(): Promise<number> {
    this.#started ??= new Promise((resolve, reject) => {
      const worker = new Worker(workerFile('encoder'), { workerData: this.#settings });
      this.#worker = worker;
      const died = (cause: unknown) => {
        const error = new KnarrError('unavailable', 'The embedding worker stopped; it is started again.', {
          cause,
        });
        reject(error);
        if (this.#worker !== worker) return;
        this.#worker = undefined;
        this.#started = undefined;
        for (const job of this.#jobs.values()) job.reject(error);
        this.#jobs.clear();
      };
      worker.once('error', died);
      worker.once('exit', (code) => died(new Error(`exit code ${code}`)));
      worker.on('message', (reply: WorkReply) => {
        if ('ready' in reply) resolve(reply.dimensions);
        else this.#settle(reply);
      });
    });
    return this.#started;
  }

  async encode(texts: string[]): Promise<WorkResult> {
    if (this.#closed) throw new KnarrError('unavailable', 'The encoder is closed.');
    const id = this.#nextId++;
    const result = new Promise<WorkResult>((resolve, reject) => this.#jobs.set(id, { resolve, reject }));
    this.start().then(
      () => this.#worker?.postMessage({ id, texts }),
      (error: KnarrError) => this.#settle({ id, error: error.message }),
    );
    return result;
  }

  #settle(reply: Exclude<WorkReply, { ready: true }>): void {
    const job = this.#jobs.get(reply.id);
    this.#jobs.delete(reply.id);
    if ('error' in reply)
      job?.reject(new KnarrError('unavailable', 'The model could not be run.', { cause: reply.error }));
    else job?.resolve(reply);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }
}
