import type { ErrorCode } from '../../_shared/errors.ts';
import type { StoredChunk } from '../../_shared/stores/documents/records.ts';
import type { ChunkLimits } from '../chunk/chunk.ts';
import type { ExtractLimits } from '../extract/extracted.ts';

/** How a reader is started: the first message to it. It answers `ready`. */
export interface ReaderSettings {
  /** The embedding model: the folder of its tokenizer, the tokens it reads (special ones counted), what it wants in front. */
  model: { folder: string; maxTokens: number; prefix: string };
  extract: ExtractLimits;
  chunk: Omit<ChunkLimits, 'modelTokens'>;
}

/** A document to be read: one at a time. */
export interface ParseRequest {
  bytes: Uint8Array;
  mediaType: string;
  /** Title that the document was given; else its own is used. */
  title: string | null;
  /** Where the document's generation has other sizes than the settings. */
  chunking?: Pick<ChunkLimits, 'chunkTokens' | 'chunkOverlap'> | undefined;
}

export interface Parsed {
  title: string | null;
  /** Length of the extracted text, UTF-16 code units. */
  textLength: number;
  chunks: StoredChunk[];
}

/** What a reader says. `isLast`: it fails as a whole, and ends. */
export type ReaderMessage =
  | { ready: true }
  | { parsed: Parsed }
  | { error: { code: ErrorCode; message: string }; isLast?: true };
