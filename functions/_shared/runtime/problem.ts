import type { z } from 'zod';
import { KnarrError } from '../errors.ts';

/** A Broker keeps at most 1,024 base64 characters of an error body, so bodies stay below 768 bytes. */
const MAX_BODY_BYTES = 767;
const MAX_DETAIL = 300;

/** Statuses that a Broker retries although trying again cannot help. */
const RETRIED_BY_BROKERS = new Set([404, 408, 409, 429]);

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  [member: string]: unknown;
}

/** RFC 9457 problem details of an error. */
export function problemOf(error: KnarrError, status = error.status): Problem {
  const problem: Problem = {
    type: 'about:blank',
    title: error.code.replaceAll('_', ' '),
    status,
    code: error.code,
    detail: error.message.slice(0, MAX_DETAIL),
  };
  const whole = { ...problem, ...error.details };
  return Buffer.byteLength(JSON.stringify(whole)) <= MAX_BODY_BYTES ? whole : problem;
}

/**
 * The one place where an error becomes an answer. To an event, a permanent failure is never a status that a Broker
 * retries: it becomes 422.
 */
export function problemResponse(thrown: unknown, to: 'request' | 'event' = 'request'): Response {
  const error = KnarrError.from(thrown);
  const status =
    to === 'event' && !error.retryable && RETRIED_BY_BROKERS.has(error.status) ? 422 : error.status;
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (error.retryAfter !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfter));
  return new Response(JSON.stringify(problemOf(error, status)), { status, headers });
}

/** Validates input from outside. Throws `invalid_request` with the path and reason of the first few issues. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, what = 'The input'): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, 4).map(({ path, message }) => ({
    path: path.join('.').slice(0, 64),
    message: message.slice(0, 96),
  }));
  const first = errors[0];
  throw new KnarrError(
    'invalid_request',
    `${what} is not valid${first ? `: ${first.path ? `${first.path}: ` : ''}${first.message}` : ''}`,
    { details: { errors } },
  );
}
