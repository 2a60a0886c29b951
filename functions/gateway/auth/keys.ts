import { keyId, matches } from '../../_shared/stores/access/key.ts';
import type { AccessStore } from '../../_shared/stores/access/port.ts';
import { refused, type Verified } from './verify.ts';

/** How often the times of last use are written, milliseconds. */
const TOUCH_EVERY_MS = 10_000;

export interface KeyVerifier {
  verify(token: string): Promise<Verified>;
  /** Writes when keys were last used. */
  close(): Promise<void>;
}

/** @param operatorTenant tenant whose admins administer every tenant */
export function keyVerifier(
  access: Pick<AccessStore, 'findKey' | 'touchKeys'>,
  operatorTenant: string | undefined,
): KeyVerifier {
  const used = new Set<string>();
  async function touch(): Promise<void> {
    const ids = [...used];
    used.clear();
    // Only for people: no request fails over it.
    if (ids.length > 0) await access.touchKeys(ids).catch(() => {});
  }
  const timer = setInterval(touch, TOUCH_EVERY_MS).unref();

  return {
    async verify(token) {
      const id = keyId(token);
      const key = id === undefined ? undefined : await access.findKey(id);
      if (!key) return refused('The API key is not valid.');
      const { tenant, role, principals } = key;
      const actor = `key:${key.id}`;
      if (!matches(token, key.hash)) return refused('The API key is not valid.', { tenant, actor });
      if (key.revokedAt !== null) return refused('The API key has been revoked.', { tenant, actor });
      const until = key.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(key.expiresAt);
      if (until <= Date.now()) return refused('The API key has expired.', { tenant, actor });
      used.add(key.id);
      const own = ['*', `user:${key.name}`, actor];
      const identity = {
        tenant,
        actor,
        role,
        principals: [...new Set([...own, ...principals])],
        ...(key.collections && { collections: key.collections }),
        isOperator: role === 'admin' && tenant === operatorTenant,
      };
      return { identity, until };
    },
    async close() {
      clearInterval(timer);
      await touch();
    },
  };
}
