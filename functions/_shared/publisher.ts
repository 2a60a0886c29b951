import { setTimeout as sleep } from 'node:timers/promises';
import { KnarrError } from './errors.ts';
import type { CloudEvent } from './events.ts';
import { writeBinary } from './runtime/cloudevents.ts';
import { isRetried } from './runtime/delivery.ts';
import type { Publisher } from './stage.ts';
import { type StageKey, signEvent } from './stage-key.ts';

const ATTEMPTS = 5;
/** Milliseconds before the second attempt; doubled for each further one. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 5_000;
/** Events on their way at once. Order is not kept, as a Broker does not keep it either. */
const LANES = 8;

export interface PublisherOptions {
  timeout?: number;
  extensions?: Record<string, string>;
  key?: StageKey | undefined;
}

/**
 * Publishes to a Broker's ingress in binary mode: each event until it is taken, at most five times. At least once: an
 * event's id is derived from what it says, so a repeat is recognised. Throws `unavailable` when the Broker does not
 * take events, `unprocessable` when it refuses one for good.
 *
 * `timeout` bounds one attempt, in milliseconds. An in-memory Broker answers only after delivery, which takes seconds
 * when subscribers start from zero. `key` proves the events: for what a stage itself says, never for what it passes on.
 */
export function httpPublisher(
  url: string,
  { timeout = 30_000, extensions = {}, key }: PublisherOptions = {},
): Publisher {
  async function publishOne(event: CloudEvent, signal: AbortSignal | undefined): Promise<void> {
    const { headers, body } = writeBinary(signEvent(key, { ...event, ...extensions }));
    // For the spans of the Broker itself, which does not look into events.
    if (typeof event.traceparent === 'string') headers.traceparent = event.traceparent;
    if (typeof event.tracestate === 'string') headers.tracestate = event.tracestate;
    for (let attempt = 1; ; attempt++) {
      const limit = AbortSignal.timeout(timeout);
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      }).catch(() => undefined);
      signal?.throwIfAborted();
      await response?.body?.cancel();
      if (response?.ok) return;
      const mayPass = response === undefined || isRetried(response.status);
      if (!mayPass)
        throw new KnarrError('unprocessable', `The Broker refused ${event.type} with ${response.status}.`);
      if (attempt === ATTEMPTS) throw new KnarrError('unavailable', 'The Broker does not take events.');
      const asked = response?.headers.get('retry-after');
      await sleep(retryPause(attempt, asked), undefined, signal ? { signal } : {});
    }
  }

  return {
    async publish(events, signal) {
      const rest = [...events];
      const lane = async () => {
        for (let event = rest.shift(); event; event = rest.shift()) await publishOne(event, signal);
      };
      const giveUp = (reason: unknown) => {
        rest.length = 0;
        throw reason;
      };
      const lanes = await Promise.allSettled(Array.from({ length: LANES }, () => lane().catch(giveUp)));
      const failed = lanes.find((one) => one.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}

/**
 * Milliseconds before the next attempt: doubled each time, at least what the Broker asks for (`Retry-After` in seconds),
 * and spread, so that replicas do not come back together.
 */
export function retryPause(
  attempt: number,
  retryAfter: string | null | undefined,
  random = Math.random(),
): number {
  const asked = Number(retryAfter ?? 0) * 1000 || 0;
  const backoff = FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + random / 2);
  return Math.min(LONGEST_PAUSE, Math.max(asked, backoff));
}
