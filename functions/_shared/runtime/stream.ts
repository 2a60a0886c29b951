import { KnarrError } from '../errors.ts';
import type { Progress } from '../stage.ts';
import { problemOf } from './problem.ts';

export const wantsStream = (request: Request): boolean =>
  (request.headers.get('accept') ?? '').includes('text/event-stream');

/** One server-sent event with JSON data. */
export const serverEvent = (event: string, data: unknown): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * Work as server-sent events: `progress` for each part, then `result`, or `error` with problem details. The work's
 * signal is aborted with `outer` and when the reader leaves.
 */
export function progressStream(
  outer: AbortSignal,
  work: (onProgress: (part: Progress) => void, signal: AbortSignal) => Promise<unknown>,
): Response {
  const encoder = new TextEncoder();
  const left = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send = (event: string, data: unknown) => {
        if (!left.signal.aborted) controller.enqueue(encoder.encode(serverEvent(event, data)));
      };
      try {
        const signal = AbortSignal.any([outer, left.signal]);
        send('result', await work((part) => send('progress', part), signal));
      } catch (thrown) {
        send('error', problemOf(KnarrError.from(thrown)));
      }
      if (!left.signal.aborted) controller.close();
    },
    cancel: () => left.abort(),
  });
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}
