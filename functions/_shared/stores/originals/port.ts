import { createHash, randomBytes } from 'node:crypto';
import { KnarrError } from '../../errors.ts';

/** Documents as they came in, by key. Keys are made by `originalKey`; others are `invalid_request`. */
export interface OriginalStore {
  /** Durable when it resolves; putting the same key again is a no-op. */
  put(key: string, content: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** What was put, checked against the hash in its key: `upstream_failed` when it is not the same any more. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Deleting what is not there is a no-op. */
  delete(key: string): Promise<void>;
  /** Throws when the store cannot be written. */
  ping(): Promise<void>;
}

/**
 * A new key for a tenant's content of this hash (SHA-256, hex), never given out before: `<tenant>~<random>/<content hash>`.
 * Any tenant name becomes a safe path segment. Earlier releases made keys without the random part; they read these, too.
 */
export function originalKey(tenant: string, contentHash: string): string {
  // A leading dot is escaped too, so that no name is "." or "..".
  const name = encodeURIComponent(tenant).replace(/^\./, '%2E');
  return `${name}~${randomBytes(8).toString('hex')}/${contentHash}`;
}

/** Two segments; the first as `originalKey` escapes a tenant, neither able to leave the folder. */
const KEY = /^(?!\.)[\w.!~*'()%-]{1,200}\/[0-9a-f]{64}$/;

/** Throws `invalid_request` for a key not made by `originalKey`. */
export function checkKey(key: string): void {
  if (!KEY.test(key)) throw new KnarrError('invalid_request', 'This is no key of an original.');
}

/**
 * Reads an original to its end and compares it with the hash in its key. Throws `too_large` beyond `maxBytes`, and
 * `upstream_failed` for another content than was put.
 */
export async function readOriginal(
  key: string,
  parts: AsyncIterable<Uint8Array>,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  const hash = createHash('sha256');
  const content: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.byteLength;
    if (size > maxBytes) throw new KnarrError('too_large', `An original is larger than ${maxBytes} bytes.`);
    hash.update(part);
    content.push(part);
  }
  if (hash.digest('hex') === hashOf(key)) return Buffer.concat(content, size);
  throw new KnarrError('upstream_failed', 'The stored original is not what was put: its hash differs.');
}

/** The content hash that a key ends with. */
export const hashOf = (key: string) => key.slice(key.indexOf('/') + 1);
