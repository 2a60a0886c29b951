import type { Drift, Hit } from '../../contracts.ts';
import type { Caller } from '../../stage.ts';
import type { Queryable } from '../sql/database.ts';
import type {
  Answer,
  BuiltRef,
  ChunkRow,
  DeadLetter,
  DocumentRecord,
  DocumentRef,
  DocumentState,
  ExpectedChunk,
  NewDeadLetter,
  NewDocument,
  OutboxEntry,
  StoredChunk,
} from './records.ts';

export interface Acceptance {
  document: string;
  version: number;
  state: DocumentState;
  collection: string;
  /** False when the same content, metadata and acl were already the head: nothing was written. */
  created: boolean;
  /** True when nothing was written because a newer submission is the head, of which this then tells. */
  overtaken?: boolean;
}

/** A write as it stands in its transaction, with what it adds to the tenant's current documents and their bytes. */
export interface Written {
  acceptance: Acceptance;
  documents: number;
  bytes: number;
}

export interface WriteOptions {
  traceparent?: string | undefined;
  /** Who writes; a document that it may not read it may not write either. Absent: no such check. */
  caller?: Caller | undefined;
  /**
   * When it was said, RFC 3339, by whoever said it; a time to come counts as now. What was said before the head was, writes
   * nothing. Absent, or no time: it is newer than all that is there.
   */
  time?: string | undefined;
  /** Takes part in the transaction, when something is written; what it throws undoes the write. */
  within?: ((tx: Queryable, written: Written) => Promise<void>) | undefined;
}

export interface Idempotency {
  /** The first acceptance under it answers for those after it. */
  idempotencyKey?: string;
  /** The id was made for this submission: the first acceptance may be under another. Default false. */
  madeId?: boolean;
  /** The key alone says that it is the same, whatever it holds by now: a repeat is never a conflict. Default false. */
  keyAlone?: boolean;
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

/** What is given must match; `{}` matches all. */
export interface DeadLetterFilter {
  id?: string | undefined;
  /** Full event type. */
  type?: string | undefined;
  code?: string | undefined;
  /** Subject of the event: a document's or a question's id. */
  subject?: string | undefined;
  /** Only what this caller may read: of documents, and of questions that it could have asked. */
  readableBy?: Caller | undefined;
}

/** Where a walk over all chunks has come; starts undefined. */
export type ChunkPosition = readonly [tenant: string, document: string, chunk: number];

/**
 * Documents, their versions and chunks, the outbox, dead letters and answers. The authority on what is current:
 * one head per (tenant, document); versions only grow; a delete is a version too.
 */
export interface DocumentStore {
  /**
   * One transaction: the version (state `accepted`), the older head `superseded`, and its `document.accepted` outbox row.
   * Throws `forbidden` for a document that the caller may not read, `conflict` for a key that stood for something else.
   */
  accept(document: NewDocument, options?: WriteOptions & Idempotency): Promise<Acceptance>;
  /** What was accepted under this key, as it stands now, while keys are remembered (a day). */
  acceptedUnder(tenant: string, idempotencyKey: string): Promise<Acceptance | undefined>;
  /** Deletes by writing a tombstone version and its `document.deleted` outbox row; undefined when there is nothing to delete. */
  remove(tenant: string, document: string, options?: WriteOptions): Promise<Acceptance | undefined>;
  /** The current version, tombstones included. Undefined also when the caller may not read it. */
  head(caller: Caller, document: string): Promise<DocumentRecord | undefined>;
  /** The same for nobody in particular: no access list is asked. */
  current(tenant: string, document: string): Promise<DocumentRecord | undefined>;
  version(ref: DocumentRef): Promise<DocumentRecord | undefined>;
  /** Versions of a document whose head the caller may read, newest first, from below `below`. */
  history(
    caller: Caller,
    document: string,
    options: { limit: number; below?: number | undefined },
  ): Promise<DocumentRecord[]>;
  list(caller: Caller, options: ListOptions): Promise<Page<DocumentRecord>>;
  /** Active generation id of a collection; undefined when the collection does not exist. */
  generationOf(tenant: string, collection: string): Promise<string | undefined>;
  /** The same for a search; `rebuilding`: documents that were moved to this generation are not all in it yet. */
  activeIndex(
    tenant: string,
    collection: string,
  ): Promise<{ generation: string; rebuilding: boolean } | undefined>;
  /** Collections in which the caller may read something, or could before it was deleted, with the documents it may read. */
  collections(
    caller: Caller,
  ): Promise<{ collection: string; documents: number; generation: string; rebuilding: number }[]>;
  /** Whether the collection is among {@link collections}. */
  mayEnter(caller: Caller, collection: string): Promise<boolean>;

  /** Replaces the version's chunks and moves it to `chunked`; false (and nothing written) when it is no longer the head, or has moved to another generation. */
  saveChunks(ref: BuiltRef, extracted: { title: string | null; chunks: StoredChunk[] }): Promise<boolean>;
  chunks(ref: DocumentRef, ordinals?: number[]): Promise<ChunkRow[]>;
  /**
   * Records that these chunks are in the vector store. Repeats count once; 0 of 0 for a version that has ended otherwise
   * or has moved to another generation.
   */
  recordIndexed(ref: BuiltRef, ordinals: number[]): Promise<{ indexed: number; total: number }>;
  /** Makes a version `indexed` whose chunks all are, and forgets its dead letters; true on the one call that does. */
  complete(ref: DocumentRef): Promise<boolean>;
  /** Records that the vector store has let go of a deleted document. */
  recordRemoved(tombstone: DocumentRef): Promise<void>;
  /** Ends a version as `dead_lettered` with its reason, unless it has already ended. */
  fail(ref: DocumentRef, error: { code: string; message: string }): Promise<boolean>;

  /** Of these hits, the chunks (with neighbours) that are current and that the caller may read. */
  currentChunks(caller: Caller, hits: readonly Hit[], neighbours: number): Promise<ChunkRow[]>;

  /**
   * Claims unpublished outbox rows; a claim that is not acknowledged returns after a while. Safe with several relays at
   * once. The outbox is where documents queue: of those only so many are claimed as may be on their way at once, the
   * next of the tenant that has the fewest under way first, so that nobody's bulk load holds up another's update.
   */
  claimOutbox(limit: number): Promise<OutboxEntry[]>;
  ackOutbox(ids: string[]): Promise<void>;
  /** Gives up claims before they run out. */
  releaseOutbox(ids: string[]): Promise<void>;
  /** Rows that wait to be published or acknowledged, of all tenants. */
  outboxSize(): Promise<number>;
  /** Whether anything waits in the outbox. */
  hasOutbox(): Promise<boolean>;
  /** How many versions of each tenant have not ended, but for those that a rebuild moves. */
  backlog(): Promise<ReadonlyMap<string, number>>;
  /** How things stand, of all tenants; `oldestMs`: how long the version that stands longest has not moved, milliseconds. */
  queues(): Promise<{ unfinished: number; oldestMs: number; outbox: number; deadLetters: number }>;
  /** Puts every version that has not ended back into the outbox: after the loss of a broker's memory. Returns how many. */
  requeueUnfinished(): Promise<number>;

  /**
   * Sends off again, through the outbox, what has not moved for `afterMs` milliseconds, doubled with each time: versions
   * that have not ended and deletions that the vector store has not confirmed. A version that only waits its turn in the
   * Broker does not stand still: it counts when others that were sent later have ended, or when it is among the
   * `foremost` that are due. Versions that were sent off `attempts` times in vain come back as `hopeless`, unchanged. Safe
   * with several sweepers at once.
   */
  redriveStuck(options: {
    afterMs: number;
    attempts: number;
    limit: number;
    foremost: number;
  }): Promise<{ redriven: number; hopeless: (DocumentRef & { collection: string; state: string })[] }>;
  /** Sends these versions off again, whatever their state: an `indexed` one stays so meanwhile. */
  redrive(refs: readonly DocumentRef[]): Promise<void>;
  /**
   * Begins to build a tenant's collections anew, or goes on with what was begun for this generation. Collections of another
   * one move to it at once, and their documents with {@link goOnRebuilding}. `within` takes part in the transaction.
   */
  beginRebuild(
    of: { tenant: string; collection?: string | undefined; generation: string },
    within?: (tx: Queryable) => Promise<void>,
  ): Promise<void>;
  /**
   * The next batch of a rebuild that was begun: sends off its `indexed` versions, to be read, embedded and indexed afresh;
   * those of another generation move, and are `accepted` until they are there. About so many documents and chunks. `sent`:
   * how many; `more`: whether something is left. With so many of the tenant's documents `waiting` in the outbox nothing is
   * sent, so that what it writes meanwhile does not come behind them all: then `waits`. Safe with several at once.
   */
  goOnRebuilding(
    of?: { tenant?: string | undefined; collection?: string | undefined },
    batch?: { documents?: number; chunks?: number; waiting?: number },
  ): Promise<{ sent: number; waits: boolean; more: boolean }>;

  /** Chunks of `indexed` heads, of all tenants, in order: what the vector store should hold. */
  expectedChunks(after: ChunkPosition | undefined, limit: number): Promise<ExpectedChunk[]>;
  /** Of these chunks of a tenant, those of versions that are indexed or on their way there. */
  liveChunks(tenant: string, refs: readonly Omit<Hit, 'score'>[]): Promise<ChunkRow[]>;
  /** Of these documents of a tenant, those whose head is on its way: points of older versions may still be there. */
  underWay(tenant: string, documents: readonly string[]): Promise<Set<string>>;
  /**
   * Takes the comparison that is under way, or with `begin` a new one, for `claimMs` milliseconds, unless somebody else has
   * it. `cursor`: where it goes on; undefined: at its beginning.
   */
  claimComparison(options: {
    begin: boolean;
    claimMs: number;
  }): Promise<{ claim: string; cursor: string | undefined } | undefined>;
  /** Keeps where it goes on, undefined at its end, and the claim for longer. False, and nothing kept: somebody else has it now. */
  keepComparison(claim: string, state: { cursor: string | undefined; claimMs: number }): Promise<boolean>;
  /** Keeps what a whole comparison found. */
  recordComparison(drift: Drift): Promise<void>;
  /** What the last whole one found, and when; before the first: when the store was made. */
  lastComparison(): Promise<{ drift: Drift | undefined; at: Date } | undefined>;

  /**
   * The key under which a tenant's content of this hash is kept, or is to be put: `fresh`, unless there is one whose removal
   * has not begun. Keeps it from being purged for a while.
   */
  keepOriginal(tenant: string, contentHash: string, fresh: string): Promise<string>;
  /**
   * Calls `remove`, outside any transaction, for at most `limit` originals that no version needs any more and that were not
   * touched for so long. From before the call on {@link keepOriginal} gives their keys out no more, so a removal may take
   * effect however late; those that an older release has kept, whose keys it uses again, it waits for in a transaction. Those
   * whose removal failed, or was not seen to end, come again after so long if still none needs them. Returns how many were
   * removed. Throws the first failure, after trying the others unless it is `unavailable`.
   */
  purgeOriginals(
    options: { olderThanMs: number; limit: number },
    remove: (original: string) => Promise<void>,
  ): Promise<number>;

  /**
   * Keeps it, unless what it is about was replaced or deleted meanwhile: its text must not outlive that. A submission is
   * replaced by one of a later `time`; one that has none counts as older than every deletion and newer than all else. False
   * when it says nothing any more: not kept for that reason, or kept and replayed before it came again.
   */
  addDeadLetter(letter: NewDeadLetter): Promise<boolean>;
  /** Those that wait for somebody; a replayed one is gone from the list unless it fails again. */
  deadLetters(
    tenant: string,
    options: DeadLetterFilter & { limit: number; cursor?: string | undefined },
  ): Promise<Page<DeadLetter>>;
  deadLetter(tenant: string, id: string): Promise<DeadLetter | undefined>;
  /**
   * Says the events of matching letters again, oldest first, at most `limit`; a version that they had ended is open again,
   * one that goes on begins anew. One that was replaced meanwhile brings about nothing, and is done with, too: a
   * submission without a `time` counts as of the letter's receipt. Each is a transaction, in which `within` takes part: what
   * it throws undoes that one, and ends it. Returns how many.
   */
  replay(
    tenant: string,
    filter: DeadLetterFilter,
    limit: number,
    within?: (tx: Queryable, id: string) => Promise<void>,
  ): Promise<number>;
  /**
   * Forgets letters that were replayed `replayedMs` ago, and those received `keptMs` ago; never one of a document's newest
   * version, which a replay can still bring about.
   */
  purgeDeadLetters(ages: { replayedMs: number; keptMs: number }): Promise<void>;

  /**
   * A pending answer. False, and there is none, when the tenant already has `most` that are pending and of which more than
   * `keptMs` are left: those that have less are past their question's deadline, and can only fail.
   */
  createAnswer(
    caller: Caller,
    id: string,
    expiresAt: Date,
    limit?: { most: number; keptMs: number },
  ): Promise<boolean>;
  /** Ends a pending answer; a second end is ignored. */
  completeAnswer(tenant: string, id: string, state: 'answered' | 'failed', result: unknown): Promise<void>;
  /** Undefined also when it was asked by somebody who may read more than the caller. */
  answer(caller: Caller, id: string): Promise<Answer | undefined>;

  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
