import { KnarrError } from '../errors.ts';
import type { Progress } from '../stage.ts';
import { problemOf } from './problem.ts';

export const wantsStream = (request: Request): boolean =>
  (request.headers.get('accept') ?? '').includes('text/event-stream');

/** One server-sent event with JSON data. */
export const serverEvent = (event: string, data: unknown): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Work as server-sent events: `progress` for each part, then `result`, or `error` with problem details. */
export function progressStream(work: (onProgress: (part: Progress) => void) => Promise<unknown>): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send = (event: string, data: unknown) => {
        try {
          controller.enqueue(encoder.encode(serverEvent(event, data)));
        } catch {
          // The reader has gone; the request's signal tells the work.
        }
      };
      try {
        send('result', await work((part) => send('progress', part)));
      } catch (thrown) {
        send('error', problemOf(KnarrError.from(thrown)));
      }
      try {
        controller.close();
      } catch {
        // Closed already by the reader.
      }
    },
  });
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}
