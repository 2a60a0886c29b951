import { KnarrError } from '../errors.ts';
import type { Call, Caller } from '../stage.ts';
import { type Claims, checkCall, proveCall, type StageKey } from '../stage-key.ts';
import { readTraceparent, readTracestate } from '../telemetry/trace.ts';
import { parseInstant } from './instant.ts';

/** Headers that carry a call from stage to stage; what the others claim, the proof shows a stage to have said. */
export const CALL_HEADERS = {
  tenant: 'knarr-tenant',
  principals: 'knarr-principals',
  deadline: 'knarr-deadline',
  proof: 'knarr-proof',
} as const;

const MAX_TIMER = 2 ** 31 - 1;

/**
 * A signal that is aborted with the outer one or when the deadline passes (`TimeoutError`). `end` releases the timer and
 * the listener and must be called when the work is over.
 */
export function callScope(
  outer: AbortSignal,
  deadline: number | undefined,
): { signal: AbortSignal; end: () => void } {
  if (deadline === undefined || deadline - Date.now() > MAX_TIMER) return { signal: outer, end: () => {} };
  const controller = new AbortController();
  const follow = () => controller.abort(outer.reason);
  if (outer.aborted) follow();
  outer.addEventListener('abort', follow, { once: true });
  const expire = () => controller.abort(new DOMException('The deadline passed.', 'TimeoutError'));
  const left = deadline - Date.now();
  if (left <= 0) expire();
  const timer = setTimeout(expire, Math.max(0, left));
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      outer.removeEventListener('abort', follow);
    },
  };
}

/**
 * A copy with another signal, which is made when it is looked at, as the one of the call may be: making one costs more
 * than all else that a small request needs.
 */
export function withSignal<C extends Call>(call: C, signal: () => AbortSignal): C {
  const copy: Partial<C> = {};
  for (const name of Object.keys(call) as (keyof C)[]) if (name !== 'signal') copy[name] = call[name];
  return Object.defineProperty(copy, 'signal', { get: signal, enumerable: true }) as C;
}

/** Longest that work may go on after its deadline when it does not heed its signal: a tenth of its time, ms at most. */
const MAX_GRACE = 1000;

/**
 * The work's outcome, or a `TimeoutError` shortly after the deadline when the work does not heed its signal. What it
 * does afterwards goes nowhere.
 */
export function byDeadline<T>(work: Promise<T>, deadline: number | undefined): Promise<T> {
  if (deadline === undefined || deadline - Date.now() > MAX_TIMER) return work;
  const left = deadline - Date.now();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new DOMException('The deadline passed.', 'TimeoutError')),
      left + Math.min(MAX_GRACE, left / 10),
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * The call that a request from another stage carries. Throws `unauthenticated` when there is a key and no proof by it,
 * whatever else the request claims or does not, and `invalid_request` for headers that cannot be read.
 */
export function readCall(request: Request, key?: StageKey): Call {
  const { headers } = request;
  checkCall(
    key,
    claimsOf((name) => headers.get(name)),
    headers.get(CALL_HEADERS.proof),
  );
  const principals = headers.get(CALL_HEADERS.principals);
  const traceparent = readTraceparent(headers.get('traceparent'));
  return {
    tenant: decode(headers.get(CALL_HEADERS.tenant) ?? 'default'),
    principals: principals === null ? ['*'] : principals.split(',').map(decode),
    deadline: readDeadline(headers.get(CALL_HEADERS.deadline), 'Knarr-Deadline'),
    get signal() {
      return request.signal;
    },
    traceparent,
    tracestate: readTracestate(headers.get('tracestate'), traceparent),
  };
}

/** The call of a request from outside, by a verified caller: of its headers only the trace is taken over. */
export function outsideCall<C extends Caller>(request: Request, caller: C): Call & C {
  return {
    ...caller,
    get signal() {
      return request.signal;
    },
    traceparent: readTraceparent(request.headers.get('traceparent')),
  };
}

/** Milliseconds since the epoch, undefined for none. Throws `invalid_request` for what is no RFC 3339 instant. */
export function readDeadline(text: string | null | undefined, name: string): number | undefined {
  if (text === null || text === undefined) return undefined;
  const deadline = parseInstant(text);
  if (deadline === undefined) throw new KnarrError('invalid_request', `${name} is not an RFC 3339 instant.`);
  return deadline;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value.trim());
  } catch (cause) {
    throw new KnarrError('invalid_request', 'A Knarr header is not valid percent-encoded UTF-8.', { cause });
  }
}

const claimsOf = (header: (name: string) => string | null | undefined): Claims =>
  [CALL_HEADERS.tenant, CALL_HEADERS.principals, CALL_HEADERS.deadline].map((name) => header(name) ?? null);

/** The headers of {@link readCall}, the other way round. */
export function writeCall(call: Call, key?: StageKey): Record<string, string> {
  const claimed: Record<string, string> = {
    [CALL_HEADERS.tenant]: encodeURIComponent(call.tenant),
    [CALL_HEADERS.principals]: call.principals.map(encodeURIComponent).join(','),
    ...(call.deadline === undefined
      ? {}
      : { [CALL_HEADERS.deadline]: new Date(call.deadline).toISOString() }),
  };
  const proof = proveCall(
    key,
    claimsOf((name) => claimed[name]),
  );
  return {
    ...claimed,
    ...(proof === undefined ? {} : { [CALL_HEADERS.proof]: proof }),
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    ...(call.tracestate === undefined ? {} : { tracestate: call.tracestate }),
  };
}
