import { z } from 'zod';
import { DRIFT_KINDS, Drift } from '../_shared/contracts.ts';
import type { Emitted, EventData } from '../_shared/events.ts';
import type { Relay } from '../_shared/outbox.ts';
import type { Context } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import type { Metrics } from '../_shared/telemetry/metrics.ts';
import { DeadLetterPage, listDeadLetters, Selection } from './dead-letters.ts';
import { reconcile } from './reconcile.ts';
import { type SweepLimits, SweepReport, sweep } from './sweep.ts';

export interface RecoverDeps {
  documents: DocumentStore;
  vectors: Pick<VectorStore, 'scopes' | 'scan' | 'present' | 'removePoints'>;
  originals: Pick<OriginalStore, 'delete'>;
  limits: SweepLimits;
  metrics: Pick<Metrics, 'count' | 'gauge'>;
  /** Publishes the outbox while the stage runs; in one process the gateway's does. */
  relay?: Relay | undefined;
  /** The last comparison of ledger and vector store, for the metric. */
  lastDrift: { value?: Drift };
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
  z.strictObject({ action: z.literal('reconcile'), repair: z.boolean().default(true) }),
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
      return compare(context, input.repair);
  }
}

/** What a timer asks for. */
export async function onTimer(
  { task }: EventData<'timer.fired'>,
  context: Context<RecoverDeps>,
): Promise<Emitted[]> {
  if (task === 'sweep') return (await sweep(context)).failed;
  await compare(context, true);
  return [];
}

async function compare(context: Context<RecoverDeps>, repair: boolean): Promise<Drift> {
  const { deps, log } = context;
  const drift = await reconcile(context, repair);
  deps.lastDrift.value = drift;
  for (const kind of DRIFT_KINDS) {
    if (drift[kind] > 0) log.warn({ kind, chunks: drift[kind], repair }, 'the vector store had drifted');
  }
  return drift;
}
