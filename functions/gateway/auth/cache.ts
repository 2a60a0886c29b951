import { LRUCache } from 'lru-cache';
import type { Identity } from './identity.ts';
import type { Verified } from './verify.ts';

const MAX_TOKENS = 10_000;

export interface VerifiedCache {
  /** @param hash of the token: the token itself is not kept */
  verify(hash: string, token: string): Promise<Verified>;
  /** Forgets every token of this actor. */
  forget(actor: string): void;
}

/**
 * Remembers for `ttlMs` which tokens hold. Those that do not are verified each time: nobody can push out the good ones
 * with bad ones. The same token is verified once at a time.
 */
export function verifiedCache(ttlMs: number, verify: (token: string) => Promise<Verified>): VerifiedCache {
  const holding = new LRUCache<string, { identity: Identity; until: number }>({ max: MAX_TOKENS });
  const pending = new Map<string, Promise<Verified>>();
  let forgotten = 0;

  async function verifyNow(hash: string, token: string): Promise<Verified> {
    const startedAt = Date.now();
    const before = forgotten;
    const verified = await verify(token);
    // What was verified while something was revoked may be just that.
    if (!verified.refusal && forgotten === before) {
      const { identity, until } = verified;
      holding.set(hash, { identity, until: Math.min(startedAt + ttlMs, until) });
    }
    return verified;
  }

  return {
    async verify(hash, token) {
      const known = holding.get(hash);
      if (known && Date.now() < known.until) return known;
      const waiting = pending.get(hash);
      if (waiting) return waiting;
      const verifying = verifyNow(hash, token).finally(() => pending.delete(hash));
      pending.set(hash, verifying);
      return verifying;
    },
    forget(actor) {
      forgotten++;
      for (const [hash, { identity }] of holding.entries()) {
        if (identity.actor === actor) holding.delete(hash);
      }
    },
  };
}
