import type { Metadata } from '../../contracts.ts';
import type { CloudEvent, Emitted } from '../../events.ts';

/** Every accepted version ends in one of the last four. */
export const DOCUMENT_STATES = [
  'accepted',
  'chunked',
  'embedded',
  'indexed',
  'superseded',
  'deleted',
  'dead_lettered',
] as const;
export type DocumentState = (typeof DOCUMENT_STATES)[number];
/** Of those, what goes on. */
export const UNFINISHED = DOCUMENT_STATES.slice(0, 3);
/** What a version has come to in the end. */
export const ENDED: readonly DocumentState[] = DOCUMENT_STATES.slice(3);
/** Ends that take no chunks any more. `indexed` does: an accepted event may be delivered again. */
export const CLOSED: readonly DocumentState[] = DOCUMENT_STATES.slice(4);

export interface DocumentRef {
  tenant: string;
  document: string;
  version: number;
}

export interface NewDocument {
  tenant: string;
  document: string;
  collection: string;
  /** Id of the index generation that the chunks are made for. */
  generation: string;
  title: string | null;
  uri: string | null;
  contentType: string;
  /** SHA-256 of the content, hex. */
  contentHash: string;
  bytes: number;
  /** Key in the originals store. */
  original: string;
  metadata: Metadata;
  /** Principals that may read it; `['*']` is everybody in the tenant. */
  acl: string[];
}

export interface DocumentRecord extends NewDocument {
  version: number;
  state: DocumentState;
  chunks: number;
  indexedChunks: number;
  error: { code: string; message: string } | null;
  createdAt: string;
  updatedAt: string;
}

/** A version as it is built for an index generation, which it may have left since. Absent: for whichever it is in. */
export type BuiltRef = DocumentRef & { generation?: string | undefined };

export interface StoredChunk {
  chunk: number;
  text: string;
  /** [start, end) in UTF-16 code units of the extracted text. */
  start: number;
  end: number;
  headings: string[];
  tokens: number;
}

/** A chunk with what is needed to show or index it. */
export interface ChunkRow extends StoredChunk {
  document: string;
  version: number;
  collection: string;
  generation: string;
  title: string | null;
  uri: string | null;
  metadata: Metadata;
  acl: string[];
}

export interface NewDeadLetter {
  id: string;
  tenant: string;
  event: CloudEvent;
  code: string;
  message: string;
  destination: string;
  receivedAt: string;
}

export interface DeadLetter extends NewDeadLetter {
  /** One, and one more for each replay that failed again. */
  attempts: number;
}

/** A chunk that the vector store should hold. */
export interface ExpectedChunk extends ChunkRow {
  tenant: string;
}

export interface Answer {
  id: string;
  tenant: string;
  /** Of who asked: for those alone who have them all. */
  principals: string[];
  state: 'pending' | 'answered' | 'failed';
  /** The answer or the problem details, as the API shows them. */
  result: unknown;
  createdAt: string;
  expiresAt: string;
}

/** What makes an event that is said again the one that it was. */
export type Said = Pick<CloudEvent, 'id' | 'source' | 'time'>;

export interface OutboxEntry {
  id: string;
  tenant: string;
  emitted: Emitted;
  traceparent: string | null;
  attempts: number;
  /** Of an event that is said again. */
  said?: Said;
}
