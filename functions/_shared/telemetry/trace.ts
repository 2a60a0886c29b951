import { randomBytes } from 'node:crypto';

/** W3C trace context, level 1: version 00 of `traceparent`. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The given `traceparent` when it is valid (ids not all zero), else undefined: a broken one starts a new trace. */
export function readTraceparent(header: string | null | undefined): string | undefined {
  const match = header ? TRACEPARENT.exec(header) : null;
  if (!match || /^0+$/.test(match[1] ?? '') || /^0+$/.test(match[2] ?? '')) return undefined;
  return header ?? undefined;
}

/** A `traceparent` for work caused by `parent`: same trace and flags, a span id of its own. Without a parent, a new sampled trace. */
export function childTraceparent(parent: string | undefined): string {
  const span = randomBytes(8).toString('hex');
  const match = parent ? TRACEPARENT.exec(parent) : null;
  if (!match) return `00-${randomBytes(16).toString('hex')}-${span}-01`;
  return `00-${match[1]}-${span}-${match[3]}`;
}

export const traceId = (traceparent: string | undefined): string | undefined => traceparent?.slice(3, 35);
