import { randomBytes } from 'node:crypto';

/** W3C trace context, `traceparent`: version, trace id, parent id, flags; a version above 00 may carry more. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/**
 * The given `traceparent` as version 00 when it is valid, else undefined: a broken one starts a new trace
 * (Trace Context, "Versioning of traceparent").
 */
export function readTraceparent(header: string | null | undefined): string | undefined {
  const match = header ? TRACEPARENT.exec(header.trim()) : null;
  if (!match) return undefined;
  const [, version, trace, span, flags, more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return trace === NO_TRACE || span === NO_SPAN ? undefined : `00-${trace}-${span}-${flags}`;
}

// A list of key=value members; what they mean is their vendors' business (Trace Context, "tracestate Header").
const TRACESTATE = /^[\x20-\x7e\t]{1,512}$/;

/** The given `tracestate` when it may travel with a valid `traceparent`, else undefined. */
export function readTracestate(
  header: string | null | undefined,
  traceparent: string | undefined,
): string | undefined {
  return header && traceparent !== undefined && TRACESTATE.test(header) ? header : undefined;
}

// Asking the system for a few bytes costs as much as for many.
let pool = randomBytes(4096);
let used = 0;
function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(pool.length);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}

/** A `traceparent` for work caused by `parent`: same trace and flags, a span id of its own. Without a parent, a new sampled trace. */
export function childTraceparent(parent: string | undefined): string {
  const span = randomHex(8);
  const read = readTraceparent(parent);
  return read === undefined
    ? `00-${randomHex(16)}-${span}-01`
    : `${read.slice(0, 36)}${span}${read.slice(52)}`;
}

export const traceId = (traceparent: string | undefined): string | undefined => traceparent?.slice(3, 35);
export const spanId = (traceparent: string | undefined): string | undefined => traceparent?.slice(36, 52);
