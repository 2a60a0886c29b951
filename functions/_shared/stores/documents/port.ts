import type { Hit, Metadata } from '../../contracts.ts';
import type { CloudEvent, Emitted } from '../../events.ts';
import type { Caller } from '../../stage.ts';

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

export interface Acceptance {
  document: string;
  version: number;
  state: DocumentState;
  collection: string;
  /** False when the same content, metadata and acl were already the head: nothing was written. */
  created: boolean;
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

export interface ListOptions {
  collection?: string | undefined;
  state?: DocumentState | undefined;
  limit: number;
  /** Opaque, from a previous page. */
  cursor?: string | undefined;
}

export interface Page<T> {
  items: T[];
  /** Absent on the last page. */
  next?: string;
}

export interface DeadLetter {
  id: string;
  tenant: string;
  event: CloudEvent;
  code: string;
  message: string;
  destination: string;
  receivedAt: string;
}

export interface Answer {
  id: string;
  tenant: string;
  state: 'pending' | 'answered' | 'failed';
  /** The answer or the problem details, as the API shows them. */
  result: unknown;
  createdAt: string;
  expiresAt: string;
}

export interface OutboxEntry {
  id: string;
  tenant: string;
  emitted: Emitted;
  traceparent: string | null;
  attempts: number;
}

/**
 * Documents, their versions and chunks, the outbox, dead letters and answers. The authority on what is current:
 * one head per (tenant, document); versions only grow; a delete is a version too.
 */
export interface DocumentStore {
  /** One transaction: the version (state `accepted`), the older head `superseded`, and its `document.accepted` outbox row. */
  accept(
    document: NewDocument,
    options?: { idempotencyKey?: string; traceparent?: string },
  ): Promise<Acceptance>;
  /** Deletes by writing a tombstone version and its `document.deleted` outbox row; undefined when there is nothing to delete. */
  remove(
    tenant: string,
    document: string,
    options?: { traceparent?: string },
  ): Promise<Acceptance | undefined>;
  /** The current version, tombstones included. Undefined also when the caller may not read it. */
  head(caller: Caller, document: string): Promise<DocumentRecord | undefined>;
  version(ref: DocumentRef): Promise<DocumentRecord | undefined>;
  list(caller: Caller, options: ListOptions): Promise<Page<DocumentRecord>>;
  /** Active generation id of a collection; undefined when the collection does not exist. */
  generationOf(tenant: string, collection: string): Promise<string | undefined>;
  collections(tenant: string): Promise<{ collection: string; documents: number; generation: string }[]>;

  /** Replaces the version's chunks and moves it to `chunked`; false (and nothing written) when it is no longer the head. */
  saveChunks(ref: DocumentRef, extracted: { title: string | null; chunks: StoredChunk[] }): Promise<boolean>;
  chunks(ref: DocumentRef, ordinals?: number[]): Promise<ChunkRow[]>;
  /** Records that these chunks are in the vector store. Repeats count once. `completed` on the call that makes the version `indexed`. */
  recordIndexed(
    ref: DocumentRef,
    ordinals: number[],
  ): Promise<{ indexed: number; total: number; completed: boolean }>;
  /** Ends a version as `dead_lettered` with its reason, unless it has already ended. */
  fail(ref: DocumentRef, error: { code: string; message: string }): Promise<boolean>;

  /** Of these hits, the chunks (with neighbours) that are current and that the caller may read. */
  currentChunks(caller: Caller, hits: readonly Hit[], neighbours: number): Promise<ChunkRow[]>;

  /** Claims unpublished outbox rows; a claim that is not acknowledged returns after a while. Safe with several relays at once. */
  claimOutbox(limit: number): Promise<OutboxEntry[]>;
  ackOutbox(ids: string[]): Promise<void>;
  /** Rows that wait to be published or acknowledged, of all tenants. */
  outboxSize(): Promise<number>;
  /** Puts every version that has not ended back into the outbox: after the loss of a broker's memory. Returns how many. */
  requeueUnfinished(): Promise<number>;

  addDeadLetter(letter: DeadLetter): Promise<void>;
  deadLetters(
    tenant: string,
    options: { limit: number; cursor?: string | undefined },
  ): Promise<Page<DeadLetter>>;
  deadLetter(tenant: string, id: string): Promise<DeadLetter | undefined>;

  createAnswer(tenant: string, id: string, expiresAt: Date): Promise<void>;
  /** Ends a pending answer; a second end is ignored. */
  completeAnswer(tenant: string, id: string, state: 'answered' | 'failed', result: unknown): Promise<void>;
  answer(tenant: string, id: string): Promise<Answer | undefined>;

  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
