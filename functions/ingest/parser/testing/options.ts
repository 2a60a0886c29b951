import { asset } from '../../../_shared/assets.ts';
import type { ParserOptions } from '../parser.ts';

export const OPTIONS: ParserOptions = {
  model: { folder: asset('models/all-MiniLM-L6-v2'), maxTokens: 256, prefix: '' },
  extract: { maxPages: 100, maxExpandedBytes: 64 * 2 ** 20 },
  chunk: { chunkTokens: 240, chunkOverlap: 32, maxTokens: 500_000 },
  processes: 1,
  timeoutMs: 60_000,
  memoryBytes: 1024 * 2 ** 20,
  maxBytes: 32 * 2 ** 20,
  queue: 4,
  idleMs: 60_000,
};

/** htmlparser2 looks for the open element of every end tag: time grows with the square of the length. */
export const SLOW = {
  bytes: Buffer.from('<i>'.repeat(9_999) + '</b>'.repeat(4_000_000)),
  mediaType: 'text/html',
  title: null,
};
