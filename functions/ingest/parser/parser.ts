import PQueue from 'p-queue';
import { KnarrError } from '../../_shared/errors.ts';
import type { Parsed, ParseRequest, ReaderSettings } from './protocol.ts';
import { type Reader, type ReaderLimits, startReader } from './reader.ts';

export interface ParserOptions extends ReaderSettings, ReaderLimits {
  /** Processes, one document each at a time. */
  processes: number;
  /** Largest document, bytes. */
  maxBytes: number;
  /** Documents that may wait before callers are turned away. */
  queue: number;
  /** A process without work for this long is ended, ms. */
  idleMs: number;
}

export interface Parser {
  /**
   * Rejects with `unprocessable`, `unsupported_media_type` or `too_large` for the document, `too_many_requests` for a
   * full queue, `unavailable` when the reader failed for another reason than the document.
   */
  parse(document: ParseRequest, signal?: AbortSignal): Promise<Parsed>;
  /** Ends at once: what is being read or waits is rejected with `unavailable`. */
  close(): Promise<void>;
}

/**
 * Parses documents in child processes that are killed when one takes too long or too much memory, so that the document
 * fails and nothing else does. Processes start with the first document and end when there is nothing to do.
 */
export function createParser(options: ParserOptions): Parser {
  const queue = new PQueue({ concurrency: options.processes });
  const idle: { reader: Reader; timer: NodeJS.Timeout }[] = [];
  const closing = new AbortController();

  /** A process that has read documents before. */
  function takeIdle(): Reader | undefined {
    for (let next = idle.pop(); next; next = idle.pop()) {
      clearTimeout(next.timer);
      if (next.reader.alive()) return next.reader;
    }
    return undefined;
  }

  function start(): Reader {
    const { model, extract, chunk } = options;
    return startReader({ model, extract, chunk }, options);
  }

  async function parseWith(reader: Reader, document: ParseRequest, signal: AbortSignal): Promise<Parsed> {
    try {
      return await reader.parse(document, signal);
    } finally {
      giveBack(reader);
    }
  }

  function giveBack(reader: Reader): void {
    if (!reader.alive()) return;
    if (closing.signal.aborted) {
      reader.kill();
      return;
    }
    const timer = setTimeout(() => {
      idle.splice(idle.indexOf(entry), 1);
      reader.kill();
    }, options.idleMs);
    const entry = { reader, timer: timer.unref() };
    idle.push(entry);
  }

  return {
    async parse(document, given) {
      const { byteLength } = document.bytes;
      if (byteLength > options.maxBytes) {
        throw new KnarrError(
          'too_large',
          `The document has ${byteLength} bytes; ${options.maxBytes} are the limit (KNARR_MAX_DOCUMENT_BYTES).`,
        );
      }
      if (queue.size >= options.queue)
        throw new KnarrError('too_many_requests', 'Too many documents wait to be read.', { retryAfter: 2 });
      const signal = AbortSignal.any(given ? [given, closing.signal] : [closing.signal]);
      const work = async () => {
        const used = takeIdle();
        try {
          return await parseWith(used ?? start(), document, signal);
        } catch (thrown) {
          // What it failed of may be a document before: a new one tells.
          if (!used?.hasFailed() || signal.aborted) throw thrown;
          return parseWith(start(), document, signal);
        }
      };
      try {
        return await queue.add(work, { signal });
      } catch (thrown) {
        throw KnarrError.from(thrown);
      }
    },
    async close() {
      closing.abort(new KnarrError('unavailable', 'The reader of documents is closed.'));
      await queue.onIdle();
      for (const { reader, timer } of idle.splice(0)) {
        clearTimeout(timer);
        reader.kill();
      }
    },
  };
}
