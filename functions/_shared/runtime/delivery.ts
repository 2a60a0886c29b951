import type { CloudEvent } from '../events.ts';

/** Statuses below 500 that Brokers try again (Knative Eventing, pkg/kncloudevents/retries.go). */
const RETRIED = new Set([404, 408, 409, 429]);
/** Whether a Broker delivers again after this answer. */
export const isRetried = (status: number): boolean => status >= 500 || RETRIED.has(status);

/** Longest `knativeerrordata`, in base64 characters. */
const MAX_ERROR_DATA = 1024;

/** The event as a dead letter sink gets it, with what its last attempt was answered. */
export function toDeadLetter(
  event: CloudEvent,
  destination: string,
  { status, body }: { status: number; body: Uint8Array },
): CloudEvent {
  // What an earlier failure left on it says nothing of this one.
  const { knativebrokerttl: _, knativeerrordata: __, ...original } = event;
  const kept = body.subarray(0, (MAX_ERROR_DATA / 4) * 3);
  return {
    ...(original as CloudEvent),
    knativeerrordest: destination,
    knativeerrorcode: status,
    ...(kept.byteLength > 0 ? { knativeerrordata: Buffer.from(kept).toString('base64') } : {}),
  };
}
