import { KnarrError } from '../errors.ts';
import type { Call } from '../stage.ts';
import { readTraceparent } from '../telemetry/trace.ts';

/** Headers that carry a call from stage to stage. They are trusted: only stages reach each other's ports. */
export const CALL_HEADERS = {
  tenant: 'knarr-tenant',
  principals: 'knarr-principals',
  deadline: 'knarr-deadline',
} as const;

/**
 * A signal that is aborted with the outer one or when the deadline passes (`TimeoutError`). `end` releases the timer
 * and the listener and must be called when the work is over.
 */
export function callScope(
  outer: AbortSignal,
  deadline: number | undefined,
): { signal: AbortSignal; end: () => void } {
  if (deadline === undefined) return { signal: outer, end: () => {} };
  const controller = new AbortController();
  const follow = () => controller.abort(outer.reason);
  if (outer.aborted) follow();
  outer.addEventListener('abort', follow, { once: true });
  const timer = setTimeout(
    () => controller.abort(new DOMException('The deadline passed.', 'TimeoutError')),
    Math.min(Math.max(0, deadline - Date.now()), 2 ** 31 - 1),
  );
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      outer.removeEventListener('abort', follow);
    },
  };
}

/** The call that a request from another stage carries. Throws `invalid_request` for a deadline that is no instant. */
export function readCall(request: Request): { call: Call; end: () => void } {
  const { headers } = request;
  const deadlineText = headers.get(CALL_HEADERS.deadline);
  const deadline = deadlineText === null ? undefined : Date.parse(deadlineText);
  if (Number.isNaN(deadline))
    throw new KnarrError('invalid_request', 'Knarr-Deadline is not an RFC 3339 instant.');
  const scope = callScope(request.signal, deadline);
  const principals = headers.get(CALL_HEADERS.principals);
  return {
    call: {
      tenant: headers.get(CALL_HEADERS.tenant) ?? 'default',
      principals: principals === null ? ['*'] : principals.split(',').map(decodeURIComponent),
      deadline,
      signal: scope.signal,
      traceparent: readTraceparent(headers.get('traceparent')),
    },
    end: scope.end,
  };
}

/** The headers of {@link readCall}, the other way round. */
export function writeCall(call: Call): Record<string, string> {
  return {
    [CALL_HEADERS.tenant]: call.tenant,
    [CALL_HEADERS.principals]: call.principals.map(encodeURIComponent).join(','),
    ...(call.deadline === undefined
      ? {}
      : { [CALL_HEADERS.deadline]: new Date(call.deadline).toISOString() }),
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
  };
}
