import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** `knarr_<id>_<secret>`: the id finds the key, the secret (256 random bits) proves it. */
const KEY = /^knarr_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** What tells a key from other bearer tokens, and secret scanners what they have found. */
export const KEY_PREFIX = 'knarr_';

/** A key as it is shown, once, and what is kept of it. */
export function makeKey(): { id: string; key: string; hash: string } {
  const id = randomBytes(8).toString('hex');
  const key = `${KEY_PREFIX}${id}_${randomBytes(32).toString('base64url')}`;
  return { id, key, hash: hashKey(key) };
}

/** The id that a key names; undefined for what is no key. */
export const keyId = (key: string): string | undefined => KEY.exec(key)?.[1];

/** SHA-256, hex. A slow hash would add nothing: nobody can try 2^256 secrets. */
export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex');

/** Compares in a time that does not depend on where they differ. */
export const matches = (key: string, hash: string): boolean =>
  timingSafeEqual(Buffer.from(hashKey(key), 'hex'), Buffer.from(hash, 'hex'));
