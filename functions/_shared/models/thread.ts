import { once } from 'node:events';
import { type MessagePort, Worker } from 'node:worker_threads';
import { KnarrError } from '../errors.ts';

export interface ModelThreadOptions<Out, Ready> {
  /** File that the thread runs. */
  script: string;
  workerData: unknown;
  /** What the thread is for, in error messages: `The <role> stopped.` */
  role: string;
  /** The thread's first message tells that its model is loaded; this gives what it says of it, or undefined for any other message. */
  ready(message: Out): Ready | undefined;
  /** Every message after the first. */
  onMessage(message: Out): void;
  /** The thread died by itself: whatever it was doing is lost. */
  onDeath(error: KnarrError): void;
}

const END = { end: true };
/** For the run under way when a thread is to end, ms. */
const GRACE_MS = 10_000;

/** In the thread, before it listens itself: it ends when it is asked to. */
export function endWhenAsked(port: MessagePort): void {
  port.on('message', (message: Partial<typeof END>) => {
    if (message.end) process.exit();
  });
}

/**
 * A worker thread that holds a model, since inference blocks the thread it runs in. Started when it is first needed
 * and again after it died.
 */
export class ModelThread<In, Out, Ready> {
  readonly #options: ModelThreadOptions<Out, Ready>;
  #worker: Worker | undefined;
  #started: Promise<Ready> | undefined;
  #closed = false;

  constructor(options: ModelThreadOptions<Out, Ready>) {
    this.#options = options;
  }

  /** Starts the thread unless it runs; resolves when its model is loaded. Rejects with `unavailable` when that fails. */
  start(): Promise<Ready> {
    if (this.#closed) return Promise.reject(this.#error('is closed'));
    this.#started ??= new Promise((resolve, reject) => {
      const { script, workerData, ready, onMessage, onDeath } = this.#options;
      const worker = new Worker(script, { workerData });
      this.#worker = worker;
      let isReady = false;
      const died = (cause: unknown) => {
        if (this.#worker !== worker) return;
        this.#worker = undefined;
        this.#started = undefined;
        const error = this.#error(isReady ? 'stopped' : `does not start: ${messageOf(cause)}`, cause);
        reject(error);
        onDeath(error);
      };
      worker.once('error', died);
      worker.once('exit', (status) => died(new Error(`Its thread ended with status ${status}.`)));
      worker.on('message', (message: Out) => {
        if (isReady) return onMessage(message);
        const said = ready(message);
        if (said === undefined) return;
        isReady = true;
        resolve(said);
      });
    });
    return this.#started;
  }

  /** Sends a message to the running thread; does nothing when there is none. */
  post(message: In, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, [...transfer]);
  }

  /**
   * Ends the thread after the run it is in; everything else fails as after a death. A thread that is stopped within a
   * run would take the whole process with it: native code throws where nobody can catch it.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    const ended = once(worker, 'exit');
    worker.postMessage(END);
    const timer = setTimeout(() => void worker.terminate(), GRACE_MS);
    await ended;
    clearTimeout(timer);
  }

  #error(what: string, cause?: unknown): KnarrError {
    return new KnarrError('unavailable', `The ${this.#options.role} ${what}.`, { cause });
  }
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));
