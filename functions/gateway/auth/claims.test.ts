import { expect, test } from 'vitest';
import { readConfig } from '../../_shared/config.ts';
import { identityOf } from './claims.ts';
import { authKnobs } from './knobs.ts';

const identify = (claims: Record<string, unknown>, env: Record<string, string> = {}) =>
  identityOf({ tenant: 'acme', sub: 'alice', roles: ['reader'], ...claims }, readConfig(authKnobs, env));

test('tenant, user, groups and role come from the usual claims', () => {
  expect(identify({ groups: ['eng', 'ops', 'eng'], roles: ['writer', 'reader', 'other'] })).toEqual({
    tenant: 'acme',
    principals: ['*', 'user:alice', 'group:eng', 'group:ops'],
    actor: 'user:alice',
    role: 'writer',
    isOperator: false,
  });
});

test('or from those that are configured, also inside others', () => {
  const claims = {
    tid: 'globex',
    email: 'bob@globex.example',
    email_verified: true,
    realm_access: { roles: ['knarr-admin', 'uma'] },
    'https://example.org/groups': 'a b',
  };
  const env = {
    KNARR_OIDC_TENANT_CLAIM: 'tid',
    KNARR_OIDC_USER_CLAIM: 'email',
    KNARR_OIDC_ROLES_CLAIM: 'realm_access.roles',
    KNARR_OIDC_ROLE_PREFIX: 'knarr-',
    KNARR_OIDC_GROUPS_CLAIM: 'https://example.org/groups',
    KNARR_OPERATOR_TENANT: 'globex',
  };
  expect(identify(claims, env)).toEqual({
    tenant: 'globex',
    principals: ['*', 'user:bob@globex.example', 'group:a', 'group:b'],
    actor: 'user:bob@globex.example',
    role: 'admin',
    isOperator: true,
  });
  expect(() => identify({ ...claims, email_verified: false }, env)).toThrow('names no user');
  expect(() => identify({ ...claims, realm_access: { roles: ['admin'] } }, env)).toThrow('names no role');
});

test('one tenant for all, and a role for those that name none', () => {
  const env = { KNARR_OIDC_TENANT: 'acme', KNARR_OIDC_DEFAULT_ROLE: 'reader' };
  expect(identify({ tenant: 'evil', roles: undefined }, env)).toMatchObject({
    tenant: 'acme',
    role: 'reader',
  });
});

test.each<[string, Record<string, unknown>]>([
  ['names no tenant', { tenant: undefined }],
  ['names no tenant', { tenant: ['acme'] }],
  ['names no tenant', { tenant: '../acme' }],
  ['names no tenant', { tenant: 'a/b' }],
  ['names no user', { sub: '' }],
  ['names no user', { sub: 7 }],
  ['names no role', { roles: [] }],
  ['names no role', { roles: 'Reader' }],
  ['too long or unprintable', { groups: ['x'.repeat(300)] }],
  ['too long or unprintable', { groups: ['a\nb'] }],
  ['too long or unprintable', { groups: [''] }],
  ['more groups', { groups: Array.from({ length: 256 }, (_, n) => `g${n}`) }],
  ['more groups', { groups: Array.from({ length: 50 }, (_, n) => `${n}${'ü'.repeat(100)}`) }],
])('a token that %s is refused: %j', (reason, claims) => {
  expect(() => identify(claims)).toThrow(reason);
  expect(() => identify(claims)).toThrow(expect.objectContaining({ code: 'forbidden' }));
});

test('no claim makes anybody everybody', () => {
  expect(identify({ sub: '*', groups: ['*'] }).principals).toEqual(['*', 'user:*', 'group:*']);
});
