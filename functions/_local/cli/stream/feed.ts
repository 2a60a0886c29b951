import { KnarrError } from '../../../_shared/errors.ts';
import type { ReadingOptions } from './memory.ts';

/** A stream that was opened. */
export interface Opened extends ReadingOptions {
  body: AsyncIterable<Uint8Array>;
  /** It was read to its end, and need not be read again while it is as it was. */
  done(): void;
}

export interface Feed {
  /** Undefined when it is as it was when it was read last. Throws `unavailable` when it cannot be read. */
  open(signal: AbortSignal): Promise<Opened | undefined>;
}

/** A stream at an address, which is asked for what has changed where its server says so (`ETag`, `Last-Modified`). */
export function feedAt(url: string): Feed {
  let conditions: Record<string, string> = {};

  return {
    async open(signal) {
      const failed = (cause?: unknown) =>
        new KnarrError('unavailable', `The stream at ${url} cannot be read.`, { cause });
      const headers = { accept: 'application/x-ndjson', ...conditions };
      const response = await fetch(url, { headers, signal }).catch((cause) => {
        throw failed(cause);
      });
      const { status, body } = response;
      if (!response.ok || body === null) {
        await body?.cancel();
        if (status === 304) return undefined;
        throw failed(new Error(`status ${status}`));
      }
      conditions = {};
      const [tag, modified] = ['etag', 'last-modified'].map((name) => response.headers.get(name));
      return {
        body,
        whole: Boolean(tag || modified) || response.headers.has('content-length'),
        modified: modified ?? undefined,
        done() {
          conditions = {
            ...(tag && { 'if-none-match': tag }),
            ...(modified && { 'if-modified-since': modified }),
          };
        },
      };
    },
  };
}
