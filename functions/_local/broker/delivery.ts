import type { CloudEvent } from '../../_shared/events.ts';
import { eventMode, readEvent, writeBinary } from '../../_shared/runtime/cloudevents.ts';
import type { ResolvedDelivery } from '../wiring/topology.ts';

/** Sends a request to a URL; in one process to the stage itself, else by HTTP. */
export type Deliver = (url: string, request: Request) => Promise<Response>;

/** An event on its way, with the headers of its request that a Broker passes on. */
export interface Passing {
  event: CloudEvent;
  headers: Record<string, string>;
}

/** How one attempt ended. */
export type Attempt = { ok: true; reply: Passing | undefined } | Failure;
export interface Failure {
  ok: false;
  status: number;
  body: Uint8Array;
}

/** What Knative Eventing makes of it when no answer comes (event_dispatcher.go). */
const NO_ANSWER = 500;
/** A non-empty 2xx answer that is no event counts as this (Knative Eventing, event_dispatcher.go). */
const BAD_REPLY = 502;
/** Largest reply that is read: the Kafka broker's `max.request.size`. */
const MAX_REPLY_BYTES = 1024 * 1024;
const TTL = 'knativebrokerttl';

/** Headers that Brokers pass from request to request beside the event's own (pkg/utils/headers.go), and W3C trace context. */
const PASSED_ON = /^(x-request-id|retry-after|traceparent|tracestate|baggage|(knative|x-b3)-.*)$/;
export const passedOn = (headers: Headers): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => PASSED_ON.test(name)));

/**
 * Milliseconds before retry number `retry` (from 0): linear d·n, exponential d·2ⁿ, as the multi-tenant channel broker
 * computes them, so that linear's first retry comes at once. Without policy and delay there is no pause.
 */
export function backoff(delivery: ResolvedDelivery, retry: number): number {
  if (!delivery.backoffPolicy || delivery.backoffDelay === undefined) return 0;
  return delivery.backoffPolicy === 'linear'
    ? delivery.backoffDelay * retry
    : delivery.backoffDelay * 2 ** retry;
}

/** Delivers once. The TTL stays with the Broker: it is taken off here and put back on the reply. */
export async function attempt(
  deliver: Deliver,
  url: string,
  { event, headers: passed }: Passing,
  { timeout, namespace, signal }: { timeout: number | undefined; namespace: string; signal: AbortSignal },
): Promise<Attempt> {
  const { [TTL]: ttl, ...sent } = event;
  const { headers, body } = writeBinary(sent as CloudEvent);
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  if (signal.aborted) follow();
  signal.addEventListener('abort', follow, { once: true });
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => controller.abort(new Error(`no answer within ${timeout} ms`)), timeout);
  const aborted = new Promise<never>((_, reject) => {
    if (controller.signal.aborted) reject(controller.signal.reason);
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  // Nobody waits for it once the answer is there.
  aborted.catch(() => {});
  try {
    const request = new Request(url, {
      method: 'POST',
      headers: { ...passed, ...headers, prefer: 'reply', 'kn-namespace': namespace },
      body,
      signal: controller.signal,
    });
    // A subscriber in this process may not look at its signal: the attempt ends all the same.
    return await Promise.race([deliver(url, request).then((response) => readAnswer(response, ttl)), aborted]);
  } catch (thrown) {
    return failure(NO_ANSWER, `dispatch error: ${(thrown as Error).message}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', follow);
  }
}

export const failure = (status: number, reason: string): Failure => ({
  ok: false,
  status,
  body: new TextEncoder().encode(reason),
});

async function readAnswer(response: Response, ttl: unknown): Promise<Attempt> {
  const body = new Uint8Array(await response.arrayBuffer());
  if (!response.ok) return { ok: false, status: response.status, body };
  if (eventMode(response.headers) === undefined) {
    return body.byteLength === 0 ? { ok: true, reply: undefined } : { ok: false, status: BAD_REPLY, body };
  }
  if (body.byteLength > MAX_REPLY_BYTES) return { ok: false, status: BAD_REPLY, body: new Uint8Array() };
  try {
    const reply = readEvent(response.headers, body);
    const event = { ...reply, ...(ttl === undefined ? {} : { [TTL]: ttl }) };
    return { ok: true, reply: { event, headers: passedOn(response.headers) } };
  } catch {
    return { ok: false, status: BAD_REPLY, body };
  }
}

const INITIAL_TTL = 255;

/** Sets the TTL of an event that enters the Broker; undefined when its hops are used up. What is no integer counts as none. */
export function enterTtl(event: CloudEvent): CloudEvent | undefined {
  const given = String(event[TTL] ?? '');
  const ttl = /^-?\d+$/.test(given) ? Number(given) - 1 : INITIAL_TTL;
  return ttl <= 0 ? undefined : { ...event, [TTL]: ttl };
}

/**
 * `filter.attributes`: all must match; "" asks only that the attribute is there and not empty. A value is compared as a
 * string, so that an integer or a boolean of a structured event matches none.
 */
export function passes(attributes: Record<string, string>, { data: _, ...event }: CloudEvent): boolean {
  return Object.entries(attributes).every(([name, expected]) => {
    const value = event[name];
    return expected === '' ? value !== undefined && value !== '' : value === expected;
  });
}
