import { setTimeout as sleep } from 'node:timers/promises';
import { integer, knob } from './config.ts';
import { KnarrError } from './errors.ts';
import { type CloudEvent, toCloudEvent } from './events.ts';
import type { Logger, Publisher, StageName } from './stage.ts';
import type { DocumentStore } from './stores/documents/port.ts';
import type { OutboxEntry } from './stores/documents/records.ts';

export const relayKnobs = {
  maxInFlight: knob(
    'KNARR_MAX_IN_FLIGHT',
    integer(128, 1, 1_000_000),
    'Documents on their way through the Broker at once, about; the others wait in the outbox, and tenants take turns. Several times what the replicas of ingest read at once.',
  ),
};

/** Publishes what the document store's transactions have put into the outbox. */
export interface Relay {
  /** Looks into the outbox now: something was just committed. */
  wake(): void;
  /** Publishes no more; resolves when what was being published has been acknowledged or given up. */
  stop(): Promise<void>;
}

export interface RelayOptions {
  documents: Pick<DocumentStore, 'claimOutbox' | 'ackOutbox' | 'releaseOutbox'>;
  publisher: Publisher;
  log: Logger;
  /** The stage that speaks. */
  stage: StageName;
  /** Milliseconds between looks when nobody wakes it: finds what another replica left behind. Default 1000. */
  idleMs?: number;
  /** Events on their way at once, each acknowledged by itself. Default 64. */
  batch?: number;
  /** First and longest pause, in milliseconds, after the broker or the store has refused. Default 100 and 10,000. */
  backoffMs?: [first: number, longest: number];
}

/**
 * At least once: a row is acknowledged only after the broker has taken its event, and an event said twice has the
 * same id. While the broker cannot take events they are offered again, ever slower; an event that it refuses for good
 * holds up no other: the log says so, and it is offered again when its claim has run out, since more often
 * the Broker is set up wrongly than the event is.
 */
export function startRelay(options: RelayOptions): Relay {
  const { documents, publisher, log, stage, idleMs = 1000, batch = 64 } = options;
  const [firstPause, longestPause] = options.backoffMs ?? [100, 10_000];
  const stopping = new AbortController();
  /** What is being offered, by the row's id. An offer may outlast its claim: the row then comes again. */
  const offers = new Map<string, Promise<void>>();
  const taken: string[] = [];
  /** What was being offered at the end: another relay need not wait for the claim to run out. */
  const dropped: string[] = [];
  let acknowledging: Promise<void> | undefined;
  /** Whether the outbox may hold more than there was place for. */
  let isMore = false;
  let woken = false;
  let pause: AbortController | undefined;

  async function wait(milliseconds: number, wakeable: boolean): Promise<void> {
    if (stopping.signal.aborted || (wakeable && woken)) return;
    const controller = new AbortController();
    if (wakeable) pause = controller;
    const signal = AbortSignal.any([stopping.signal, controller.signal]);
    await sleep(milliseconds, undefined, { signal }).catch(() => {});
    if (wakeable) pause = undefined;
  }

  /** Offers an event to the broker until it is taken or refused for good. */
  async function offer(entry: OutboxEntry): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      try {
        await publisher.publish([eventOf(stage, entry)], stopping.signal);
        return await acknowledge(entry);
      } catch (thrown) {
        if (stopping.signal.aborted) break;
        const error = KnarrError.from(thrown);
        if (!error.retryable) {
          log.error({ event: entry.emitted.name, code: error.code }, 'the broker refuses an event');
          return;
        }
        if (failures === 0)
          log.warn({ err: thrown, waiting: offers.size }, 'events are waiting in the outbox');
        await wait(backoff(failures++), false);
      }
    }
    dropped.push(entry.id);
  }

  /** Those that were taken meanwhile go together. */
  async function acknowledge({ id }: OutboxEntry): Promise<void> {
    taken.push(id);
    acknowledging ??= (async () => {
      try {
        while (taken.length > 0) await documents.ackOutbox(taken.splice(0));
      } finally {
        acknowledging = undefined;
      }
    })();
    await acknowledging;
  }

  function begin(entry: OutboxEntry): void {
    if (offers.has(entry.id)) return;
    const offered = offer(entry).finally(() => {
      offers.delete(entry.id);
      if (isMore) wake();
    });
    offers.set(entry.id, offered);
  }

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      woken = false;
      const free = batch - offers.size;
      try {
        const entries = free > 0 ? await documents.claimOutbox(free) : [];
        failures = 0;
        isMore = entries.length === free;
        for (const entry of entries) begin(entry);
        if (!isMore || offers.size === batch) await wait(idleMs, true);
      } catch (thrown) {
        if (stopping.signal.aborted) break;
        log.warn({ err: thrown }, 'the outbox cannot be read');
        await wait(backoff(failures++), false);
      }
    }
    await Promise.all(offers.values());
    await documents.releaseOutbox(dropped).catch((err) => log.warn({ err }, 'claims are left to run out'));
  }

  const backoff = (failures: number) => jittered(Math.min(longestPause, firstPause * 2 ** failures));

  function wake(): void {
    woken = true;
    pause?.abort();
  }

  const running = run();
  return {
    wake,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Half to all of it, so that replicas do not come back together. */
const jittered = (milliseconds: number) => milliseconds * (0.5 + Math.random() / 2);

function eventOf(stage: StageName, { tenant, emitted, traceparent, said }: OutboxEntry): CloudEvent {
  return { ...toCloudEvent(stage, emitted, { tenant, ...(traceparent && { traceparent }) }), ...said };
}
