import { createHash } from 'node:crypto';
import { KnarrError } from '../../errors.ts';
import type { NewDocument } from './records.ts';

/**
 * PostgreSQL stores neither NUL nor half a surrogate pair. Both become U+FFFD, as CommonMark §2.3 does with NUL: one
 * code unit for one, so that character ranges stay exact.
 */
export const storable = (text: string): string => text.replace(/[\0\p{Cs}]/gu, '\ufffd');

/** JSON for a jsonb column, with the rule of {@link storable} for all its strings and keys. */
export function jsonb(value: unknown): string {
  // JSON.stringify escapes exactly the characters in question; the first alternative keeps an escaped backslash whole.
  return JSON.stringify(value).replace(/\\\\|\\u(0000|d[89a-f]..)/g, (found, code) =>
    code === undefined ? found : '\\ufffd',
  );
}

/** SHA-256 over what makes two submissions the same; the order of metadata keys and of principals does not. */
export function fingerprint(given: NewDocument): string {
  const { contentHash, contentType, title, uri, collection } = given;
  const metadata = Object.entries(given.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const same = [contentHash, contentType, title, uri, collection, metadata, [...given.acl].sort()];
  return createHash('sha256').update(JSON.stringify(same)).digest('hex');
}

/** An RFC 3339 time; undefined when there is none, or it is no time. PostgreSQL takes no such years as come before 1970. */
export function instant(text: string | undefined): Date | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? undefined : new Date(Math.max(0, ms));
}

/** Where a page ended, as an opaque string. */
export const toCursor = (position: readonly string[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** The reverse of {@link toCursor}. Throws `invalid_request` for anything else. */
export function fromCursor(cursor: string, length: number): string[] {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const fits = Array.isArray(position) && position.length === length;
    if (fits && position.every((part) => typeof part === 'string' && !part.includes('\0'))) return position;
  } catch {}
  throw new KnarrError('invalid_request', 'cursor: not one that this list gave out.');
}
