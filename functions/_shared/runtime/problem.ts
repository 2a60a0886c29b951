import type { z } from 'zod';
import { KnarrError } from '../errors.ts';

/** A Broker keeps at most 1,024 base64 characters of an error body, so bodies stay below 768 bytes. */
const MAX_BODY_BYTES = 767;
const MAX_DETAIL = 300;

/** Permanent failures whose status says as much on every Broker. */
const CLEAR_TO_BROKERS = new Set([400, 413, 415, 422]);

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  [member: string]: unknown;
}

/** RFC 9457 problem details of an error, below 768 bytes of JSON: further members go first, then the end of `detail`. */
export function problemOf(error: KnarrError, status = error.status): Problem {
  const problem: Problem = {
    type: 'about:blank',
    title: error.code.replaceAll('_', ' '),
    status,
    code: error.code,
    detail: error.message.slice(0, MAX_DETAIL),
  };
  const whole = { ...problem, ...error.details };
  if (jsonBytes(whole) <= MAX_BODY_BYTES) return whole;
  while (jsonBytes(problem) > MAX_BODY_BYTES) {
    problem.detail = `${problem.detail.slice(0, Math.floor(problem.detail.length * 0.8))}…`;
  }
  return problem;
}

const jsonBytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

/** The one place where an error becomes an answer. */
export function problemResponse(thrown: unknown, to: 'request' | 'event' = 'request'): Response {
  const error = KnarrError.from(thrown);
  const status = to === 'event' ? eventStatus(error) : error.status;
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', ...error.headers };
  // RFC 9110 §11.6.1 wants a challenge; Bearer is the only scheme there is.
  if (status === 401) headers['www-authenticate'] ??= 'Bearer';
  if (error.retryAfter !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfter));
  return new Response(JSON.stringify(problemOf(error, status)), { status, headers });
}

/**
 * What a Broker makes of it: 404 and 409 would be retried in vain. So what is well formed but cannot succeed is 422; 400 is
 * left for what is no event at all. Work that was cut off (499) may succeed later.
 */
function eventStatus({ code, status, retryable }: KnarrError): number {
  if (code === 'cancelled') return 503;
  if (code === 'invalid_request') return 422;
  return retryable || CLEAR_TO_BROKERS.has(status) ? status : 422;
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
