import { z } from 'zod';
import type { Config } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { MAX_PRINCIPALS, Principal, TenantName } from '../../_shared/stores/access/names.ts';
import { ROLES, type Role } from '../../_shared/stores/access/port.ts';
import type { Identity } from './identity.ts';
import type { authKnobs } from './knobs.ts';

type Claims = Record<string, unknown>;
type ClaimConfig = Pick<
  Config<typeof authKnobs>,
  | 'operatorTenant'
  | 'oidcTenant'
  | 'oidcTenantClaim'
  | 'oidcUserClaim'
  | 'oidcGroupsClaim'
  | 'oidcRolesClaim'
  | 'oidcRolePrefix'
  | 'oidcDefaultRole'
>;

/** Percent-encoded bytes that principals may take in a header; Node accepts 16 KiB of headers. */
const MAX_HEADER_BYTES = 12_288;

/** Who a verified token stands for. Throws `forbidden` for one that names no tenant, user or role, or more than can be carried. */
export function identityOf(claims: Claims, config: ClaimConfig): Identity {
  const tenant = config.oidcTenant ?? readTenant(claims, config.oidcTenantClaim);
  const user = `user:${readUser(claims, config.oidcUserClaim)}`;
  const groups = texts(read(claims, config.oidcGroupsClaim)).map((group) => `group:${group}`);
  const principals = ['*', ...new Set([user, ...groups])];
  const strange = principals.slice(1).find((principal) => !Principal.safeParse(principal).success);
  if (strange !== undefined) throw refuse('has a user or group name that is empty, too long or unprintable');
  const bytes = principals.reduce((sum, principal) => sum + encodeURIComponent(principal).length + 1, 0);
  if (principals.length > MAX_PRINCIPALS || bytes > MAX_HEADER_BYTES) {
    throw refuse(`names more groups than are accepted (${MAX_PRINCIPALS}, ${MAX_HEADER_BYTES} bytes in all)`);
  }
  const role = readRole(texts(read(claims, config.oidcRolesClaim)), config);
  return {
    tenant,
    principals,
    actor: user,
    role,
    isOperator: role === 'admin' && tenant === config.operatorTenant,
  };
}

function readTenant(claims: Claims, name: string): string {
  const tenant = TenantName.safeParse(read(claims, name));
  if (!tenant.success) throw refuse(`names no tenant in its claim ${name}`);
  return tenant.data;
}

function readUser(claims: Claims, name: string): string {
  const user = z.string().min(1).safeParse(read(claims, name));
  const isDoubtful = name === 'email' && claims.email_verified !== true;
  if (!user.success || isDoubtful) throw refuse(`names no user in its claim ${name}`);
  return user.data;
}

function readRole(named: readonly string[], { oidcRolePrefix, oidcDefaultRole }: ClaimConfig): Role {
  const role = ROLES.findLast((each) => named.includes(oidcRolePrefix + each));
  if (role) return role;
  if (oidcDefaultRole === 'none') throw refuse('names no role');
  return oidcDefaultRole;
}

/** A claim by its name, or inside others by a path of names with dots between. */
function read(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split('.').reduce<unknown>((value, name) => {
    const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, name);
    return isObject ? (value as Claims)[name] : undefined;
  }, claims);
}

/** An array of strings as it is; a text by its words, as `scope` is written. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '');
  if (!Array.isArray(value)) return [];
  return value.filter((each) => typeof each === 'string');
}

const refuse = (reason: string) => new KnarrError('forbidden', `The token ${reason}.`);
