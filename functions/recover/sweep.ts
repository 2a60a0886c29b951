import { z } from 'zod';
import { type Emitted, emit, eventName, OF_A_VERSION, toCloudEvent } from '../_shared/events.ts';
import { uuidv5 } from '../_shared/ids.ts';
import type { Context } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { NewDeadLetter } from '../_shared/stores/documents/records.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import { failVersion } from './dead-letters.ts';

export interface SweepLimits {
  /** Milliseconds without progress after which a version is sent off again; doubled each time. */
  redriveAfterMs: number;
  /** Times that a version is sent off again before it is dead-lettered. */
  redriveAttempts: number;
  /** Age at which what nobody needs any more is removed, milliseconds. */
  purgeAfterMs: number;
  /** Age at which a dead letter is removed that is not of a document's newest version, milliseconds. */
  deadLetterRetentionMs: number;
}

export interface SweepDeps {
  documents: Pick<
    DocumentStore,
    | 'redriveStuck'
    | 'addDeadLetter'
    | 'deadLetters'
    | 'fail'
    | 'version'
    | 'purgeOriginals'
    | 'purgeDeadLetters'
    | 'queues'
  >;
  originals: Pick<OriginalStore, 'delete'>;
  limits: SweepLimits;
  /** How things stood after the last sweep. */
  swept: { found?: Queues; underWay?: boolean };
}
export type Queues = Awaited<ReturnType<DocumentStore['queues']>>;

export const SweepReport = z.object({
  redriven: z.int(),
  dead_lettered: z.int(),
  /** Originals removed that belonged to nothing any more. */
  originals_removed: z.int(),
});
export type SweepReport = z.infer<typeof SweepReport>;

/** Rows taken in one transaction. */
const BATCH = 200;
/** Versions sent off again at once although none that was sent later has ended: the Broker may have lost all it held. */
const FOREMOST = 8;

/**
 * Sends off again what stands still, whatever was lost: an event, a dead letter, the whole broker. What was sent off
 * often enough in vain ends as a dead letter, with the reason of the one that it has, if any. Then removes what has outlived its use.
 */
export async function sweep({
  deps: { documents, originals, limits, swept },
  signal,
  log,
}: Pick<Context<SweepDeps>, 'deps' | 'signal' | 'log'>): Promise<{ report: SweepReport; failed: Emitted[] }> {
  const report: SweepReport = { redriven: 0, dead_lettered: 0, originals_removed: 0 };
  const failed: Emitted[] = [];
  for (let full = true; full && !signal.aborted; ) {
    const { redriven, hopeless } = await documents.redriveStuck({
      afterMs: limits.redriveAfterMs,
      attempts: limits.redriveAttempts,
      limit: BATCH,
      foremost: FOREMOST,
    });
    for (const stuck of hopeless) {
      const letter = letterOf(stuck, limits.redriveAttempts);
      const earlier = await lastLetter(stuck, documents);
      if (!earlier) await documents.addDeadLetter(letter);
      const { code, message } = earlier ?? letter;
      const said = await failVersion(letter.event, { ...letter, code, message }, documents);
      if (said) failed.push(said);
    }
    report.redriven += redriven;
    report.dead_lettered += hopeless.length;
    full = redriven + hopeless.length === BATCH;
  }
  await documents.purgeDeadLetters({
    replayedMs: limits.purgeAfterMs,
    keptMs: limits.deadLetterRetentionMs,
  });
  try {
    for (let removed = BATCH; removed === BATCH && !signal.aborted; ) {
      removed = await documents.purgeOriginals({ olderThanMs: limits.purgeAfterMs, limit: BATCH }, (key) =>
        originals.delete(key),
      );
      report.originals_removed += removed;
    }
  } catch (thrown) {
    // What has failed must be said all the same.
    log.warn({ err: thrown }, 'originals that nobody needs are left for the next sweep');
  }
  swept.found = await documents.queues();
  if (report.redriven + report.dead_lettered > 0) log.warn(report, 'work stood still');
  return { report, failed };
}

type Stuck = Awaited<ReturnType<DocumentStore['redriveStuck']>>['hopeless'][number];

/** What its last failure that the Broker gave up on left behind; what is kept of other types anybody may have sent. */
async function lastLetter(
  { tenant, document, version }: Stuck,
  documents: Pick<DocumentStore, 'deadLetters'>,
): Promise<NewDeadLetter | undefined> {
  const { items } = await documents.deadLetters(tenant, { subject: document, limit: 1 });
  return items.find(({ event: { type, data } }) => {
    const name = eventName(type);
    if (name === undefined || !OF_A_VERSION.includes(name)) return false;
    return (data as { version?: unknown } | undefined)?.version === version;
  });
}

function letterOf({ tenant, document, version, collection, state }: Stuck, attempts: number): NewDeadLetter {
  const event = toCloudEvent(
    'recover',
    emit('document.accepted', document, { document, version, collection }),
    {
      tenant,
    },
  );
  return {
    id: uuidv5('stuck', tenant, document, version),
    tenant,
    event,
    code: 'stuck',
    message: `It stood still as ${state}, and was sent off again ${attempts} times in vain.`,
    destination: '',
    receivedAt: new Date().toISOString(),
  };
}
