import { Worker } from 'node:worker_threads';
import { KnarrError } from '../../errors.ts';
import type { Reply, Request, RequestBody, WorkerOptions } from './protocol.ts';

/** A thread that answers requests. */
export interface WorkerHandle {
  ask(request: RequestBody): Promise<Reply>;
  /** Closes its database and ends it. */
  stop(): Promise<void>;
}

/** Starts the thread; resolves when its database is open. When it dies, what waits and what comes later is `unavailable`. */
export async function startWorker(script: string, options: WorkerOptions): Promise<WorkerHandle> {
  const worker = new Worker(script, { workerData: options });
  const pending = new Map<number, { resolve(reply: Reply): void; reject(reason: unknown): void }>();
  let sent = 0;
  let dead: KnarrError | undefined;

  function die(cause: unknown): void {
    dead ??= new KnarrError('unavailable', 'The embedded database has stopped.', { cause });
    for (const { reject } of pending.values()) reject(dead);
    pending.clear();
  }

  worker.on('message', (reply: Reply) => {
    const waiter = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.error) waiter?.reject(Object.assign(new Error(reply.error.message), reply.error));
    else waiter?.resolve(reply);
  });
  worker.on('error', die);
  worker.on('exit', (status) => die(new Error(`Its thread ended with status ${status}.`)));

  const reply = (id: number) =>
    new Promise<Reply>((resolve, reject) => {
      if (dead) reject(dead);
      else pending.set(id, { resolve, reject });
    });
  function ask(request: RequestBody): Promise<Reply> {
    const id = ++sent;
    const answer = reply(id);
    if (!dead) worker.postMessage({ ...request, id } satisfies Request);
    return answer;
  }

  await reply(0);
  return {
    ask,
    async stop() {
      await ask({ op: 'close' }).catch(() => {});
      await worker.terminate();
    },
  };
}
