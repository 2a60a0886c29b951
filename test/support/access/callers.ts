import type { AccessStore, NewApiKey } from '../../../functions/_shared/stores/access/port.ts';
import type { TestIssuer } from '../issuer.ts';
import type { Play } from './exchange.ts';
import type { Asker } from './world.ts';

export const TENANTS = ['acme', 'globex', 'initech'] as const;
/** The one tenant that has a quota: its answers alone say what is left. */
export const LIMITED = 'initech';

const BY = { actor: 'test' };
const nobody: Asker = { name: 'nobody', tenant: '', role: 'none', principals: [], named: new Set() };

export interface Callers {
  /** In every tenant one with all rights, named `everything`, and others with some or none; and strangers. */
  askers: Asker[];
  keys: Play['keys'];
  /** Keys and tokens: nothing may ever show them. */
  secrets: string[];
}

/** Makes keys of all roles and rights, one that is revoked, and users of the issuer. */
export async function addCallers(access: AccessStore, issuer: TestIssuer): Promise<Callers> {
  const callers: Callers = { askers: [], keys: [], secrets: [] };
  const quota = { documents: null, bytes: null, requestsPerSecond: 100_000, questions: 1000 };
  await access.setQuota(LIMITED, quota, BY);
  for (const tenant of TENANTS) {
    await addKeys(callers, access, tenant);
    await addUsers(callers, issuer, tenant);
    const former = { tenant, name: 'former', role: 'admin', collections: null, expiresAt: null } as const;
    const revoked = await access.createKey({ ...former, principals: ['group:hr'] }, BY);
    await access.revokeKey(tenant, revoked.record.id, BY);
    callers.askers.push({ ...nobody, name: `former of ${tenant}`, token: revoked.key });
  }
  const garbage = `knarr_${'0'.repeat(16)}_${'x'.repeat(43)}`;
  callers.askers.push(nobody, { ...nobody, name: 'garbage', token: garbage });
  return callers;
}

async function addKeys({ askers, keys, secrets }: Callers, access: AccessStore, tenant: string) {
  const add = async (name: string, role: NewApiKey['role'], more: Partial<NewApiKey> = {}) => {
    const given = { tenant, name, role, collections: null, principals: [], expiresAt: null, ...more };
    const { key, record } = await access.createKey(given, BY);
    secrets.push(key);
    keys.push({ id: record.id, tenant });
    askers.push({
      name,
      tenant,
      role,
      principals: ['*', `user:${name}`, `key:${record.id}`, ...given.principals],
      named: new Set(),
      token: key,
      ...(given.collections && { collections: given.collections }),
    });
  };
  await add('everything', 'writer', { principals: ['group:eng', 'group:hr', 'user:ann', 'user:bob'] });
  await add('reader', 'reader');
  await add('engineer', 'reader', { principals: ['group:eng'] });
  await add('ann', 'writer');
  await add('bob', 'writer', { principals: ['group:hr'] });
  await add('scoped', 'writer', { collections: ['news'], principals: ['group:eng'] });
  await add('chief', 'admin');
}

async function addUsers({ askers, secrets }: Callers, issuer: TestIssuer, tenant: string) {
  for (const groups of [[], ['eng'], ['hr', 'eng']]) {
    const name = `carl${groups.length}`;
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    const token = await issuer.sign({ sub: name, tenant, groups, roles: ['reader'], exp });
    secrets.push(token);
    const principals = ['*', `user:${name}`, ...groups.map((group) => `group:${group}`)];
    askers.push({ name, tenant, role: 'reader', principals, named: new Set(), token });
  }
}
