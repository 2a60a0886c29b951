import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { KnarrError } from '../../_shared/errors.ts';
import { problemOf } from '../../_shared/runtime/problem.ts';
import type { Logger } from '../../_shared/stage.ts';

/** Keeps proxies from closing a quiet stream; browsers ignore comments. */
const HEARTBEAT_MS = 15_000;

export interface EventStream {
  /** Resolves when the client has room for more. */
  send(event: string, data: unknown): Promise<void>;
  /** Aborted when the client has gone or the server closes. */
  signal: AbortSignal;
}

/** Server-sent events, JSON in `data`. A failure of `work` becomes a last event `error` with its problem details. */
export function eventStream(
  c: Context,
  options: { closing: AbortSignal; log: Logger; release: () => void },
  work: (stream: EventStream) => Promise<void>,
): Response {
  return streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const signal = AbortSignal.any([gone.signal, options.closing]);
    const heartbeat = setInterval(() => void stream.write(': still here\n\n'), HEARTBEAT_MS);
    const send = async (event: string, data: unknown) => {
      if (!gone.signal.aborted) await stream.writeSSE({ event, data: JSON.stringify(data) });
    };
    try {
      await work({ send, signal });
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      if (error.code !== 'cancelled') options.log.warn({ err: thrown }, 'an event stream failed');
      await send('error', problemOf(error));
    } finally {
      clearInterval(heartbeat);
      options.release();
    }
  });
}

/** Pauses between looks at something that changes: short at first, since most changes come soon. */
const FIRST_LOOK_MS = 25;
const LONGEST_LOOK_MS = 1000;

/**
 * Sends each new state of something until it has ended, the client has gone, or `maxMs` are over: then the last event is
 * `timeout`, and the client may follow again.
 * @param look resolves to what is sent; `changed` tells states apart
 */
export async function follow<T>(
  { send, signal }: EventStream,
  maxMs: number,
  look: () => Promise<{ state: T; key: string; ended: boolean }>,
): Promise<void> {
  const until = Date.now() + maxMs;
  let last: string | undefined;
  let pause = FIRST_LOOK_MS;
  while (!signal.aborted) {
    const { state, key, ended } = await look();
    if (key !== last) {
      await send('state', state);
      pause = FIRST_LOOK_MS;
    }
    if (ended) return;
    if (Date.now() >= until) return send('timeout', {});
    last = key;
    await sleep(pause, undefined, { signal }).catch(() => {});
    pause = Math.min(LONGEST_LOOK_MS, pause * 1.5);
  }
}
