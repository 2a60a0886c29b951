import { z } from 'zod';
import { duration, knob, list, url } from '../../_shared/config.ts';
import { TenantName } from '../../_shared/stores/access/names.ts';
import { ROLES } from '../../_shared/stores/access/port.ts';

const MODES = ['keys', 'oidc'] as const;
/** Asymmetric ones alone: with a shared secret, whoever can verify a token can make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
const claim = (name: string) => z.string().min(1).default(name);

/** How callers prove who they are. */
export const authKnobs = {
  auth: knob(
    'KNARR_AUTH',
    list('none')
      .transform((modes) => (modes.join() === 'none' ? [] : modes))
      .pipe(z.array(z.enum(MODES))),
    'How callers prove who they are: `keys` (API keys), `oidc` (JWTs of an OpenID Connect issuer), `keys,oidc`, or `none`: then only this machine may ask.',
  ),
  authCache: knob(
    'KNARR_AUTH_CACHE',
    duration('5s').pipe(z.number().max(60_000, 'at most 60s')),
    'How long a verified key or token is taken for good, so the time until a revocation holds on every replica.',
  ),
  operatorTenant: knob(
    'KNARR_OPERATOR_TENANT',
    TenantName.optional(),
    'Tenant whose admins may administer every tenant: make keys for it and set its quotas. Unset: nobody may by the API.',
  ),
  oidcIssuer: knob(
    'KNARR_OIDC_ISSUER',
    url(),
    'Issuer of the tokens, exactly as their `iss` claim names it.',
  ),
  oidcAudience: knob(
    'KNARR_OIDC_AUDIENCE',
    list(),
    'Audiences, separated by commas; a token must be for one of them.',
  ),
  oidcAlgorithms: knob(
    'KNARR_OIDC_ALGORITHMS',
    list('RS256,PS256,ES256,EdDSA').pipe(z.array(z.enum(ALGORITHMS)).min(1)),
    'Signature algorithms that are accepted, separated by commas.',
  ),
  oidcSkew: knob(
    'KNARR_OIDC_CLOCK_SKEW',
    duration('30s').pipe(z.number().max(300_000, 'at most 5m')),
    'How far the clocks of the issuer and of this machine may differ.',
  ),
  oidcTenant: knob(
    'KNARR_OIDC_TENANT',
    TenantName.optional(),
    'Tenant of every token; instead of a tenant claim.',
  ),
  oidcTenantClaim: knob('KNARR_OIDC_TENANT_CLAIM', claim('tenant'), 'Claim that names the tenant.'),
  oidcUserClaim: knob(
    'KNARR_OIDC_USER_CLAIM',
    claim('sub'),
    'Claim that names the user: `alice` reads as `user:alice`. `email` counts only when it is verified.',
  ),
  oidcGroupsClaim: knob(
    'KNARR_OIDC_GROUPS_CLAIM',
    claim('groups'),
    'Claim with the groups: `eng` reads as `group:eng`. Claims inside others by dots: `realm_access.roles`.',
  ),
  oidcRolesClaim: knob(
    'KNARR_OIDC_ROLES_CLAIM',
    claim('roles'),
    'Claim with the roles: an array, or text with spaces between.',
  ),
  oidcRolePrefix: knob(
    'KNARR_OIDC_ROLE_PREFIX',
    z.string().default(''),
    'What stands before `reader`, `writer` and `admin` in the roles claim, e.g. `knarr-`.',
  ),
  oidcDefaultRole: knob(
    'KNARR_OIDC_DEFAULT_ROLE',
    z.enum(['none', ...ROLES]).default('none'),
    'Role of a token that names none; `none` refuses it.',
  ),
};

/** How events that are delivered to the gateway prove that the Broker sends them. */
export const eventKnobs = {
  eventsAuth: knob(
    'KNARR_EVENTS_AUTH',
    z.enum(['refuse', 'trust', 'oidc']).default('refuse'),
    'With authentication, which events `POST /` takes: none; all, from whoever reaches this address or the Broker; or those with a token of the Broker (Knative: `authentication-oidc`). What stages say needs their key besides.',
  ),
  eventsIssuer: knob(
    'KNARR_EVENTS_ISSUER',
    url(),
    "Issuer of the Broker's tokens: that of the cluster's service accounts.",
  ),
  eventsAudience: knob(
    'KNARR_EVENTS_AUDIENCE',
    list(),
    'Audience of these tokens, as `subscriber.audience` of the Triggers says it.',
  ),
  eventsSubjects: knob(
    'KNARR_EVENTS_SUBJECTS',
    list(),
    'Subjects of these tokens that are believed, separated by commas; `*` at the end stands for anything: `system:serviceaccount:knarr:*`.',
  ),
  eventsTokenFile: knob(
    'KNARR_EVENTS_ISSUER_TOKEN_FILE',
    z.string().optional(),
    "File with a bearer token for the issuer's key set, which a Kubernetes API server asks for.",
  ),
};
