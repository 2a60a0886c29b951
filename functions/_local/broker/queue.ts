import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudEvent } from '../../_shared/events.ts';
import { writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { isRetried, toDeadLetter } from '../../_shared/runtime/delivery.ts';
import type { Logger } from '../../_shared/stage.ts';
import type { Edge } from '../wiring/topology.ts';
import { type Attempt, attempt, backoff, type Deliver, failure, type Passing } from './delivery.ts';

export interface QueueLimits {
  /** Events of one Trigger that may wait or be under way. */
  events: number;
  /** Bytes of their data. */
  bytes: number;
  /** Concurrent deliveries where the Service sets no limit. */
  concurrency: number;
}

export interface QueueStats {
  waiting: number;
  delivered: number;
  retried: number;
  deadLettered: number;
  /** Neither delivered nor taken by a dead letter sink. */
  lost: number;
}

export interface QueueTools {
  deliver: Deliver;
  /** Feeds a reply back into the Broker; resolves when it has been queued, with false when its hops are used up. */
  reply(passing: Passing): Promise<boolean>;
  /** URL of the Broker that replies go to. */
  ingress: string;
  log: Logger;
  limits: QueueLimits;
  signal: AbortSignal;
  /** Pause between attempts; tests pass their own. */
  pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * The events on their way to one Trigger's subscriber. A slot is held only while a delivery runs, not while a retry
 * waits, so that one bad event does not hold up those behind it.
 */
export class TriggerQueue {
  readonly edge: Edge;
  readonly stats: QueueStats = { waiting: 0, delivered: 0, retried: 0, deadLettered: 0, lost: 0 };
  readonly #tools: QueueTools;
  readonly #concurrency: number;
  readonly #slotWaiters: (() => void)[] = [];
  #roomWaiters: (() => void)[] = [];
  #running = 0;
  #bytes = 0;

  constructor(edge: Edge, tools: QueueTools) {
    this.edge = edge;
    this.#tools = tools;
    this.#concurrency = edge.concurrency || tools.limits.concurrency;
  }

  hasRoom(bytes: number): boolean {
    const { limits } = this.#tools;
    return (
      this.stats.waiting < limits.events && (this.stats.waiting === 0 || this.#bytes + bytes <= limits.bytes)
    );
  }

  /** Resolves when an event has left, which may have made room. */
  roomChanged(): Promise<void> {
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  add(passing: Passing, bytes: number): void {
    const { event } = passing;
    this.stats.waiting++;
    this.#bytes += bytes;
    void this.#handle(passing)
      .catch((error: Error) => {
        this.stats.lost++;
        this.#tools.log.error({ trigger: this.edge.name, event: event.id, err: error }, 'delivery failed');
      })
      .finally(() => {
        this.stats.waiting--;
        this.#bytes -= bytes;
        for (const resolve of this.#roomWaiters.splice(0)) resolve();
      });
  }

  async #handle(passing: Passing): Promise<void> {
    const { edge } = this;
    const { event } = passing;
    let destination = edge.subscriber;
    let last = await this.#send(destination, passing);
    if (last.ok && last.reply && !(await this.#tools.reply(last.reply))) {
      // A reply that the Broker does not take fails the event that it answers.
      destination = this.#tools.ingress;
      last = failure(400, 'The reply has used up its hops (knativebrokerttl).');
    }
    if (last.ok) {
      this.stats.delivered++;
      return;
    }
    if (this.#tools.signal.aborted) return;
    const fields = { trigger: edge.name, event: event.id, type: event.type, status: last.status };
    const sink = edge.delivery.deadLetterSink;
    if (sink === undefined) {
      this.stats.lost++;
      this.#tools.log.error(fields, 'event dropped: delivery failed and there is no dead letter sink');
      return;
    }
    // What a dead letter sink replies is discarded, as Knative does.
    const sent = await this.#send(sink, { ...passing, event: toDeadLetter(event, destination, last) });
    if (sent.ok) {
      this.stats.deadLettered++;
      this.#tools.log.warn(fields, 'event dead-lettered');
    } else {
      this.stats.lost++;
      this.#tools.log.error({ ...fields, sink: sent.status }, 'event lost: the dead letter sink refused it');
    }
  }

  async #send(url: string, passing: Passing): Promise<Attempt> {
    const { delivery, namespace } = this.edge;
    const { deliver, signal, pause = (ms, stop) => sleep(ms, undefined, { signal: stop }) } = this.#tools;
    for (let retry = 0; ; retry++) {
      await this.#acquire();
      let result: Attempt;
      try {
        result = await attempt(deliver, url, passing, { timeout: delivery.timeout, namespace, signal });
      } finally {
        this.#release();
      }
      if (result.ok || retry >= delivery.retry || !isRetried(result.status) || signal.aborted) return result;
      this.stats.retried++;
      const ms = backoff(delivery, retry);
      if (ms > 0) await pause(ms, signal).catch(() => {});
    }
  }

  async #acquire(): Promise<void> {
    if (this.#running >= this.#concurrency)
      await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
    else this.#running++;
  }

  #release(): void {
    const next = this.#slotWaiters.shift();
    if (next) next();
    else this.#running--;
  }
}

/** What an event counts against a queue's byte limit. */
export const eventBytes = (event: CloudEvent): number => Buffer.byteLength(writeStructured(event).body);
