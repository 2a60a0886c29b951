import { setMaxListeners } from 'node:events';
import { KnarrError } from '../../_shared/errors.ts';
import type { CloudEvent } from '../../_shared/events.ts';
import { readBody } from '../../_shared/runtime/body.ts';
import { readEvent } from '../../_shared/runtime/cloudevents.ts';
import { problemResponse } from '../../_shared/runtime/problem.ts';
import type { Logger, Publisher } from '../../_shared/stage.ts';
import type { Topology } from '../wiring/topology.ts';
import { type Deliver, enterTtl, type Passing, passedOn, passes } from './delivery.ts';
import { eventBytes, type QueueLimits, type QueueStats, TriggerQueue } from './queue.ts';

export interface BrokerOptions {
  deliver: Deliver;
  log: Logger;
  limits?: Partial<QueueLimits>;
  /** Longest a producer waits for room before it gets 503, ms. */
  admissionMs?: number;
  /** Events of producers that may wait for room at once; more get 503 without a wait. */
  maxProducers?: number;
  pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

export interface EmbeddedBroker {
  /** The ingress: `POST /<namespace>/<broker>`. */
  fetch(request: Request): Promise<Response>;
  publisher(broker?: string, namespace?: string): Publisher;
  /** Resolves when no event waits or is under way. */
  idle(): Promise<void>;
  stats(): Record<string, QueueStats>;
  /** Takes no more events, lets those under way end for at most `drainMs`, then aborts them. */
  close(drainMs?: number): Promise<void>;
}

const LIMITS: QueueLimits = { events: 1000, bytes: 32 * 1024 * 1024, concurrency: 16 };
const ADMISSION_MS = 10_000;
const MAX_PRODUCERS = 64;
/** The Kafka broker's `max.request.size`; events should stay under 64 KiB. */
const MAX_EVENT_BYTES = 1024 * 1024;
const DRAIN_MS = 5000;
/** Where Knative's ingress for this kind of Broker is found. */
const INGRESS = 'http://broker-ingress.knative-eventing.svc.cluster.local';

/**
 * A Broker in this process, with the multi-tenant channel Broker's filtering, delivery, replies and dead letters. Unlike
 * that one it answers 202 as soon as the event is queued, not after its delivery. Queues are bounded and in memory: what
 * they hold is lost with the process, and comes again from the outbox.
 */
export function createBroker(topology: Topology, options: BrokerOptions): EmbeddedBroker {
  const { log, admissionMs = ADMISSION_MS, maxProducers = MAX_PRODUCERS } = options;
  const limits = { ...LIMITS, ...options.limits };
  const stop = new AbortController();
  // Every delivery under way listens.
  setMaxListeners(0, stop.signal);
  let accepting = true;
  let closed = false;
  let producers = 0;

  const queues = new Map<string, TriggerQueue[]>();
  for (const { namespace, name } of topology.brokers) {
    const key = `${namespace}/${name}`;
    const tools = {
      deliver: options.deliver,
      // A reply may wait as long as it must: the types that cause each other form no loop.
      reply: (passing: Passing) => admit(key, passing, Number.POSITIVE_INFINITY),
      ingress: `${INGRESS}/${key}`,
      log,
      limits,
      signal: stop.signal,
      ...(options.pause ? { pause: options.pause } : {}),
    };
    const edges = topology.edges.filter((edge) => edge.broker === name && edge.namespace === namespace);
    queues.set(
      key,
      edges.map((edge) => new TriggerQueue(edge, tools)),
    );
  }
  const all = () => [...queues.values()].flat();

  /** Queues an event for every Trigger that it passes, for all or for none. False when its TTL is used up. */
  async function admit(
    key: string,
    { event, headers }: Passing,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const entered = enterTtl(event);
    if (!entered) return false;
    const matching = (queues.get(key) ?? []).filter(({ edge }) => passes(edge.attributes, entered));
    const bytes = eventBytes(entered);
    const giveUpAt = Date.now() + waitMs;
    for (;;) {
      if (closed) throw new KnarrError('unavailable', 'The broker is closed.');
      const full = matching.find((queue) => !queue.hasRoom(bytes));
      if (!full) break;
      signal?.throwIfAborted();
      const left = giveUpAt - Date.now();
      const isProducer = Number.isFinite(waitMs);
      if (left <= 0 || (isProducer && producers >= maxProducers))
        throw new KnarrError('unavailable', `The queue of ${full.edge.name} is full.`, { retryAfter: 1 });
      if (isProducer) producers++;
      await changeOrTimeout(full, left);
      if (isProducer) producers--;
    }
    for (const queue of matching) queue.add({ event: entered, headers }, bytes);
    return true;
  }

  /** Throws `malformed_event` for an event that has used up its hops. */
  async function enter(key: string, passing: Passing, signal?: AbortSignal): Promise<void> {
    if (!queues.has(key)) throw new KnarrError('not_found', 'There is no such Broker.');
    if (!accepting) throw new KnarrError('unavailable', 'The broker is shutting down.');
    if (await admit(key, passing, admissionMs, signal)) return;
    throw new KnarrError('malformed_event', 'The event has used up its hops (knativebrokerttl).');
  }

  async function ingress(request: Request): Promise<Response> {
    const allow = 'POST, OPTIONS';
    if (request.method === 'OPTIONS') {
      return new Response(null, {
        headers: { allow, 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' },
      });
    }
    if (request.method !== 'POST') {
      const error = new KnarrError('method_not_allowed', `Only ${allow} are allowed here.`);
      const answer = problemResponse(error);
      answer.headers.set('allow', allow);
      return answer;
    }
    const key = new URL(request.url).pathname.replace(/^\/|\/$/g, '');
    if (!queues.has(key)) throw new KnarrError('not_found', 'There is no such Broker.');
    await enter(key, { event: await eventOf(request), headers: passedOn(request.headers) }, request.signal);
    return new Response(null, { status: 202 });
  }

  return {
    fetch: (request) => ingress(request).catch((thrown) => problemResponse(thrown)),
    publisher: (broker = 'default', namespace = 'default') => ({
      async publish(events, signal) {
        for (const event of events) await enter(`${namespace}/${broker}`, { event, headers: {} }, signal);
      },
    }),
    async idle() {
      for (;;) {
        const busy = all().find(({ stats }) => stats.waiting > 0);
        if (!busy) return;
        await busy.roomChanged();
      }
    },
    stats: () => Object.fromEntries(all().map(({ edge, stats }) => [edge.name, { ...stats }])),
    async close(drainMs = DRAIN_MS) {
      accepting = false;
      const timer = setTimeout(() => stop.abort(), drainMs);
      await this.idle();
      closed = true;
      clearTimeout(timer);
      stop.abort();
    },
  };
}

/** An ingress answers 400 to whatever is no event, batches and other formats too. */
async function eventOf(request: Request): Promise<CloudEvent> {
  try {
    return readEvent(request.headers, await readBody(request, MAX_EVENT_BYTES));
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (error.code !== 'invalid_request' && error.code !== 'unsupported_media_type') throw error;
    throw new KnarrError('malformed_event', error.message, { cause: thrown });
  }
}

async function changeOrTimeout(queue: TriggerQueue, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    if (Number.isFinite(ms)) timer = setTimeout(resolve, ms);
  });
  await Promise.race([queue.roomChanged(), timeout]);
  clearTimeout(timer);
}
