import { DRIFT_KINDS, type Drift } from '../_shared/contracts.ts';
import type { Context } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import { compare, cursorOf, isCursor } from './comparison.ts';
import type { ReconcileDeps } from './reconcile.ts';

/** How long one call or one tick works; it always does one part. */
export interface Pace {
  /** Points or chunks read at once. */
  pageSize: number;
  /** Of a call, milliseconds: less than what proxies on the way wait for an answer. */
  callMs: number;
  /** Of a tick, milliseconds: what is under way then has to end within the time that its Trigger gives it. */
  tickMs: number;
}
export const PACE: Pace = { pageSize: 500, callMs: 30_000, tickMs: 180_000 };

export interface UpkeepDeps extends ReconcileDeps {
  documents: ReconcileDeps['documents'] &
    Pick<
      DocumentStore,
      'claimComparison' | 'keepComparison' | 'recordComparison' | 'lastComparison' | 'goOnRebuilding'
    >;
  pace: Pace;
  /** The last whole comparison of ledger and vector store, for the metrics. */
  compared: { last?: Awaited<ReturnType<DocumentStore['lastComparison']>> };
}

type Work = Pick<Context<UpkeepDeps>, 'deps' | 'signal' | 'log'>;

/** A comparison for somebody who waits for it; `next` in the answer when there was not the time for all of it. */
export async function compareFor(
  work: Work,
  { repair, cursor }: { repair: boolean; cursor?: string | undefined },
): Promise<Drift> {
  const until = Date.now() + work.deps.pace.callMs;
  for await (const progress of compare(work, { repair, cursor, pageSize: work.deps.pace.pageSize })) {
    const next = cursorOf(progress);
    if (next === undefined) return finished(work, progress.drift);
    if (Date.now() >= until) return { ...progress.drift, next };
  }
  throw new Error('A comparison ended without an end.');
}

/** A tick's claim on the comparison, renewed with each page. */
const CLAIM_MS = 60_000;

/**
 * A part of the comparison that repairs, which the ledger remembers: each tick goes on where the one before had come, killed
 * or not. `begin`: a new one, unless one is unfinished. One tick at a time works at it.
 */
async function compareOn(work: Work, { begin, until }: { begin: boolean; until: number }): Promise<void> {
  const { documents, pace } = work.deps;
  const claimed = await documents.claimComparison({ begin, claimMs: CLAIM_MS });
  if (!claimed) return;
  const { claim } = claimed;
  const cursor = claimed.cursor !== undefined && isCursor(claimed.cursor) ? claimed.cursor : undefined;
  for await (const progress of compare(work, { repair: true, cursor, pageSize: pace.pageSize })) {
    const next = cursorOf(progress);
    const isOver = next === undefined || Date.now() >= until;
    const isOurs = await documents.keepComparison(claim, { cursor: next, claimMs: isOver ? 0 : CLAIM_MS });
    if (!isOurs) return;
    if (next === undefined) await finished(work, progress.drift);
    if (isOver) return;
  }
}

async function finished({ deps, log }: Work, drift: Drift): Promise<Drift> {
  await deps.documents.recordComparison(drift);
  await refresh(deps);
  for (const kind of DRIFT_KINDS) {
    if (drift[kind] > 0)
      log.warn({ kind, chunks: drift[kind], repair: drift.repaired }, 'the vector store had drifted');
  }
  return drift;
}

/** Goes on with rebuilds that were begun, of all tenants. */
async function rebuildOn({ deps, signal, log }: Work, until: number): Promise<void> {
  for (let more = true; more; ) {
    signal.throwIfAborted();
    const batch = await deps.documents.goOnRebuilding();
    if (batch.sent > 0) log.info({ documents: batch.sent }, 'a rebuild goes on');
    more = batch.more && !batch.waits && Date.now() < until;
  }
}

/** What takes longer than a tick: a comparison begins, or all that has begun goes on. */
export async function tick(work: Work, { begin }: { begin: boolean }): Promise<void> {
  const started = Date.now();
  const { tickMs } = work.deps.pace;
  if (!begin) await rebuildOn(work, started + tickMs / 2);
  await compareOn(work, { begin, until: started + tickMs });
}

/** Reads what the last whole comparison found, whoever made it. */
export async function refresh({
  documents,
  compared,
}: Pick<UpkeepDeps, 'documents' | 'compared'>): Promise<void> {
  compared.last = await documents.lastComparison();
}
