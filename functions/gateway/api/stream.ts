import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from 'hono';
import { KnarrError } from '../../_shared/errors.ts';
import { problemOf } from '../../_shared/runtime/problem.ts';
import { hangUp } from '../../_shared/runtime/serve.ts';
import { serverEvent } from '../../_shared/runtime/stream.ts';
import type { Logger } from '../../_shared/stage.ts';

/** Keeps proxies from closing a quiet stream; browsers ignore comments. */
const HEARTBEAT_MS = 15_000;
/** A client that has read nothing for this long has gone, as far as anybody can tell. */
const STALLED_MS = 60_000;

export interface EventStream {
  /** Resolves when the client has room for more, or is taken for gone. */
  send(event: string, data: unknown): Promise<void>;
  /** Aborted when the client has gone or the server closes. */
  signal: AbortSignal;
}

/**
 * Server-sent events, JSON in `data`. A failure of `work` becomes a last event `error` with its problem details. What the
 * client has not read waits here: the connection of one that reads nothing is broken off after `stalledMs`.
 */
export function eventStream(
  c: Context,
  options: { closing: AbortSignal; log: Logger; release: () => void; stalledMs?: number },
  work: (stream: EventStream) => Promise<void>,
): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, options.closing]);
  const encoder = new TextEncoder();
  const waiting: (() => void)[] = [];
  const goOn = () => {
    for (const resume of waiting.splice(0)) resume();
  };
  gone.signal.addEventListener('abort', goOn, { once: true });
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    pull: goOn,
    cancel: () => gone.abort(),
  });

  async function write(text: string): Promise<void> {
    if (gone.signal.aborted) return;
    controller.enqueue(encoder.encode(text));
    if ((controller.desiredSize ?? 0) > 0) return;
    const stalled = setTimeout(() => {
      hangUp(c.req.raw);
      gone.abort();
    }, options.stalledMs ?? STALLED_MS);
    await new Promise<void>((resolve) => waiting.push(resolve));
    clearTimeout(stalled);
  }

  async function run(): Promise<void> {
    const heartbeat = setInterval(() => void write(': still here\n\n'), HEARTBEAT_MS);
    const send = (event: string, data: unknown) => write(serverEvent(event, data));
    try {
      await work({ send, signal });
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      if (error.code !== 'cancelled') options.log.warn({ err: thrown }, 'an event stream failed');
      await send('error', problemOf(error));
    } finally {
      clearInterval(heartbeat);
      options.release();
      if (!gone.signal.aborted) controller.close();
    }
  }
  void run();
  return c.newResponse(body, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
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
