import { z } from 'zod';
import { KnarrError } from '../_shared/errors.ts';
import type { CloudEvent } from '../_shared/events.ts';
import { uuidv5 } from '../_shared/ids.ts';
import { EVENT_PROOF } from '../_shared/stage-key.ts';
import type { NewDeadLetter } from '../_shared/stores/documents/records.ts';

const MAX_MESSAGE = 300;
const Problem = z.object({ code: z.string().min(1).max(64), detail: z.string() });

/**
 * What a Broker's dead letter says: `knativeerrordest` (URL), `knativeerrorcode` (status of the last attempt) and
 * `knativeerrordata` (base64 of its body, at most 1,024 characters and then cut). The same letter delivered again gets the same id.
 */
export function readLetter(event: CloudEvent, tenant: string, receivedAt: Date): NewDeadLetter {
  const destination = text(event.knativeerrordest);
  const status = text(event.knativeerrorcode);
  const body = Buffer.from(text(event.knativeerrordata), 'base64').toString();
  // Whoever may read the letter could have it delivered again, as often as they like.
  const { [EVENT_PROOF]: _, ...kept } = event;
  return {
    id: uuidv5('dead-letter', tenant, event.source, event.id, destination),
    tenant,
    event: kept as CloudEvent,
    ...reasonOf(body, status),
    destination,
    receivedAt: receivedAt.toISOString(),
  };
}

/** An attribute arrives as text in a header and may be a number in JSON. */
const text = (attribute: unknown): string =>
  typeof attribute === 'string' || typeof attribute === 'number' ? String(attribute) : '';

function reasonOf(body: string, status: string): { code: string; message: string } {
  const problem = Problem.safeParse(parsed(body));
  if (problem.success) return { code: problem.data.code, message: problem.data.detail.slice(0, MAX_MESSAGE) };
  const code = status === '' ? 'unknown' : status;
  const shown = body.trim().slice(0, MAX_MESSAGE);
  return { code, message: shown === '' ? 'The delivery failed without saying why.' : shown };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * Whether the same may go well later, without anybody's doing: an outage ends, stages get the same key
 * (`unauthenticated`: the event has its proof, or it would not be here), a fault of our own (`internal`) stays.
 * Where no error of ours says so, it is what the Broker tries again: everything but 4xx, and of those 404, 408, 409 and 429.
 */
export const isPassing = ({ code }: Pick<NewDeadLetter, 'code'>): boolean =>
  KnarrError.isCode(code)
    ? code !== 'internal' && (PASSING.has(code) || new KnarrError(code, '').retryable)
    : !/^4(?!04|08|09|29)\d\d$/.test(code);

const PASSING = new Set(['cancelled', 'unauthenticated']);

/** The reason as an error of ours, for those who waited for the work. */
export function errorOf({ code, message }: Pick<NewDeadLetter, 'code' | 'message'>): KnarrError {
  return new KnarrError(KnarrError.isCode(code) ? code : 'upstream_failed', message);
}
