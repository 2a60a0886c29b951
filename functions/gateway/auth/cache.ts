import { LRUCache } from 'lru-cache';
import { KnarrError } from '../../_shared/errors.ts';
import { orKnown } from '../fallback.ts';
import type { Identity } from './identity.ts';
import type { Verified } from './verify.ts';

const MAX_TOKENS = 10_000;
/** Tokens verified at once: a flood of unknown ones does not become a flood of look-ups. */
const MAX_PENDING = 64;
/** How long after a verification it holds without the next one, ms. */
const GRACE_MS = 60_000;

interface Held {
  identity: Identity;
  until: number;
  /** When it has to be verified again. */
  fresh: number;
  verifiedAt: number;
}

export interface VerifiedCache {
  /** @param hash of the token: the token itself is not kept */
  verify(hash: string, token: string): Promise<Verified>;
  /** Forgets every token of this actor. */
  forget(actor: string): void;
}

/**
 * Remembers for `ttlMs` which tokens hold, and goes by that for up to a minute while they cannot be verified. Those that do not are verified each time: nobody can push out the good ones
 * with bad ones. The same token is verified once at a time; `unavailable` while too many are.
 */
export function verifiedCache(ttlMs: number, verify: (token: string) => Promise<Verified>): VerifiedCache {
  const holding = new LRUCache<string, Held>({ max: MAX_TOKENS });
  const pending = new Map<string, Promise<Verified>>();
  let forgotten = 0;

  async function verifyNow(hash: string, token: string): Promise<Verified> {
    const startedAt = Date.now();
    const before = forgotten;
    const verified = await verify(token);
    // What was verified while something was revoked may be just that.
    if (!verified.refusal && forgotten === before) {
      const { identity, until } = verified;
      holding.set(hash, { identity, until, fresh: startedAt + ttlMs, verifiedAt: startedAt });
    } else if (verified.refusal) {
      holding.delete(hash);
    }
    return verified;
  }

  return {
    async verify(hash, token) {
      const known = holding.get(hash);
      const now = Date.now();
      const holds = known !== undefined && now < known.until;
      if (holds && now < known.fresh) return known;
      const inGrace = holds && now - known.verifiedAt <= GRACE_MS;
      if (pending.size >= MAX_PENDING && !pending.has(hash)) {
        if (inGrace) return known;
        throw new KnarrError('unavailable', 'Too many tokens are being verified; try again shortly.');
      }
      const verifying = pending.get(hash) ?? verifyNow(hash, token).finally(() => pending.delete(hash));
      pending.set(hash, verifying);
      return inGrace ? orKnown(verifying, known) : verifying;
    },
    forget(actor) {
      forgotten++;
      for (const [hash, { identity }] of holding.entries()) {
        if (identity.actor === actor) holding.delete(hash);
      }
    },
  };
}
