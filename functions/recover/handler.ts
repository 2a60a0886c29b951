import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Drift, DriftCursor } from '../_shared/contracts.ts';
import type { Emitted, EventData } from '../_shared/events.ts';
import type { Relay } from '../_shared/outbox.ts';
import type { Context } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import type { Metrics } from '../_shared/telemetry/metrics.ts';
import { DeadLetterPage, listDeadLetters, Selection } from './dead-letters.ts';
import { type SweepDeps, type SweepLimits, SweepReport, sweep } from './sweep.ts';
import { compareFor, refresh, tick, type UpkeepDeps } from './upkeep.ts';

export interface RecoverDeps extends Pick<UpkeepDeps, 'pace' | 'compared'> {
  documents: DocumentStore;
  vectors: Pick<VectorStore, 'scopes' | 'scan' | 'present' | 'removePoints'>;
  originals: Pick<OriginalStore, 'delete'>;
  limits: SweepLimits;
  /** How things stood after the last sweep, for the metrics. */
  swept: SweepDeps['swept'];
  metrics: Pick<Metrics, 'count' | 'gauge'>;
  /** Publishes the outbox while the stage runs; in one process the gateway's does. */
  relay?: Relay | undefined;
}

export const RecoverInput = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('list'),
    limit: z.int().min(1).max(1000).default(100),
    /** `next` of the page before. */
    cursor: z.string().max(2048).optional(),
    ...Selection.shape,
  }),
  z.strictObject({
    action: z.literal('replay'),
    limit: z.int().min(1).max(10_000).default(1000),
    ...Selection.shape,
  }),
  z.strictObject({ action: z.literal('sweep') }),
  z.strictObject({
    action: z.literal('reconcile'),
    repair: z.boolean().default(true),
    /** `next` of the part before. */
    cursor: DriftCursor.optional(),
  }),
]);
export type RecoverInput = z.infer<typeof RecoverInput>;

export const RecoverOutput = z.union([DeadLetterPage, z.object({ replayed: z.int() }), SweepReport, Drift]);
export type RecoverOutput = z.infer<typeof RecoverOutput>;

/** Dead letters are the caller's tenant's; a sweep and a comparison are of all tenants. */
export async function recover(input: RecoverInput, context: Context<RecoverDeps>): Promise<RecoverOutput> {
  const { deps, tenant } = context;
  switch (input.action) {
    case 'list': {
      const { action: _, ...page } = input;
      return listDeadLetters(tenant, page, deps.documents);
    }
    case 'replay': {
      const { action: _, limit, ...filter } = input;
      return { replayed: await deps.documents.replay(tenant, filter, limit) };
    }
    case 'sweep':
      return (await sweep(context)).report;
    case 'reconcile':
      return compareFor(context, input);
  }
}

/** A timer that comes while a sweep takes longer than its period finds nothing to do. */
async function sweepAlone(context: Context<RecoverDeps>): Promise<Emitted[]> {
  const { swept } = context.deps;
  if (swept.underWay) return [];
  swept.underWay = true;
  try {
    return (await sweep(context)).failed;
  } finally {
    swept.underWay = false;
  }
}

/** How long a tick keeps this pod's relay awake, milliseconds; the next one comes after five minutes. */
const STAY_MS = 270_000;

/** Where the gateway sleeps, the relay here is the only one, and a pod without a request goes to sleep, too. */
async function stayWhileEventsWait({ deps, signal }: Context<RecoverDeps>): Promise<void> {
  if (deps.relay === undefined) return;
  const until = Date.now() + STAY_MS;
  while (Date.now() < until && !signal.aborted && (await deps.documents.hasOutbox())) {
    await sleep(1000, undefined, { signal }).catch(() => {});
  }
}

/** What a timer asks for. */
export async function onTimer(
  { task }: EventData<'timer.fired'>,
  context: Context<RecoverDeps>,
): Promise<Emitted[]> {
  await refresh(context.deps);
  if (task === 'sweep') {
    const failed = await sweepAlone(context);
    // What has ended is said at once, by this answer; the next tick stays.
    if (failed.length === 0) await stayWhileEventsWait(context);
    return failed;
  }
  await tick(context, { begin: task === 'reconcile' });
  return [];
}
