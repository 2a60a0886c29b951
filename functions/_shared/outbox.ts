import { setTimeout as sleep } from 'node:timers/promises';
import { KnarrError } from './errors.ts';
import { type CloudEvent, toCloudEvent } from './events.ts';
import type { Logger, Publisher, StageName } from './stage.ts';
import type { DocumentStore, OutboxEntry } from './stores/documents/port.ts';

/** Publishes what the document store's transactions have put into the outbox. */
export interface Relay {
  /** Looks into the outbox now: something was just committed. */
  wake(): void;
  /** Publishes no more; resolves when what was being published has been acknowledged or given up. */
  stop(): Promise<void>;
}

export interface RelayOptions {
  documents: Pick<DocumentStore, 'claimOutbox' | 'ackOutbox'>;
  publisher: Publisher;
  log: Logger;
  /** The stage that speaks. */
  stage: StageName;
  /** Milliseconds between looks when nobody wakes it: finds what another replica left behind. Default 1000. */
  idleMs?: number;
  /** Rows claimed at once. Default 64. */
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
  let woken = false;
  let pause: AbortController | undefined;

  async function wait(milliseconds: number, wakeable: boolean): Promise<void> {
    if (stopping.signal.aborted || (wakeable && woken)) return;
    const controller = new AbortController();
    if (wakeable) pause = controller;
    const signal = AbortSignal.any([stopping.signal, controller.signal]);
    await sleep(milliseconds, undefined, { signal }).catch(() => {});
    pause = undefined;
  }

  /** Offers events to the broker: all at once, or one by one when one of them is refused for good. */
  async function publish(entries: readonly OutboxEntry[]): Promise<void> {
    try {
      await publisher.publish(
        entries.map((entry) => eventOf(stage, entry)),
        stopping.signal,
      );
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      if (error.retryable || stopping.signal.aborted) throw error;
      if (entries.length > 1) {
        for (const entry of entries) await publish([entry]);
        return;
      }
      log.error({ event: entries[0]?.emitted.name, code: error.code }, 'the broker refuses an event');
      return;
    }
    await documents.ackOutbox(entries.map((entry) => entry.id));
  }

  async function run(): Promise<void> {
    let pending: OutboxEntry[] = [];
    for (let failures = 0; !stopping.signal.aborted; ) {
      woken = false;
      try {
        if (pending.length === 0) pending = await documents.claimOutbox(batch);
        const claimed = pending.length;
        if (claimed > 0) await publish(pending);
        pending = [];
        failures = 0;
        if (claimed < batch) await wait(idleMs, true);
      } catch (thrown) {
        if (stopping.signal.aborted) return;
        log.warn({ err: thrown, waiting: pending.length }, 'events are waiting in the outbox');
        await wait(jittered(Math.min(longestPause, firstPause * 2 ** failures++)), false);
      }
    }
  }

  const running = run();
  return {
    wake() {
      woken = true;
      pause?.abort();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Half to all of it, so that replicas do not come back together. */
const jittered = (milliseconds: number) => milliseconds * (0.5 + Math.random() / 2);

function eventOf(stage: StageName, { tenant, emitted, traceparent }: OutboxEntry): CloudEvent {
  return toCloudEvent(stage, emitted, { tenant, ...(traceparent && { traceparent }) });
}
