import type { StoredChunk } from '../../_shared/stores/documents/port.ts';
import type { ChunkLimits } from '../chunk/chunk.ts';
import type { ExtractLimits } from '../extract/extracted.ts';

/** How the parser child is started (its first message). */
export interface ParserSettings {
  /** Folder of the tokenizer that counts the tokens. */
  modelDir: string;
  extract: ExtractLimits;
  chunk: ChunkLimits;
}

export interface ParseRequest {
  id: number;
  bytes: Uint8Array;
  mediaType: string;
  /** Title that the document was given; else its own is used. */
  title: string | null;
}

export interface Parsed {
  title: string | null;
  /** Length of the extracted text, UTF-16 code units. */
  textLength: number;
  chunks: StoredChunk[];
}

export type ParseReply =
  | { id: number; parsed: Parsed }
  | { id: number; error: { code: string; message: string } };
