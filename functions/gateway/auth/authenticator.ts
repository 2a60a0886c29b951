import { type Config, ConfigError } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { contentHash } from '../../_shared/ids.ts';
import { KEY_PREFIX } from '../../_shared/stores/access/key.ts';
import type { AccessStore } from '../../_shared/stores/access/port.ts';
import { verifiedCache } from './cache.ts';
import { identityOf } from './claims.ts';
import { type Issuer, openIssuer } from './issuer.ts';
import { keyVerifier } from './keys.ts';
import type { authKnobs, eventKnobs } from './knobs.ts';
import { refused, type Verified } from './verify.ts';

export type AuthConfig = Config<typeof authKnobs & typeof eventKnobs>;

export interface Authenticator {
  /** Who the request's bearer token stands for. */
  verify(request: Request): Promise<Verified>;
  /** Throws `forbidden` unless the Broker sends the event, as far as configured. */
  verifyEvent(request: Request): Promise<void>;
  /** A key was revoked here: at once, the others within the cache's time. */
  forget(actor: string): void;
  close(): Promise<void>;
}

/** Throws {@link ConfigError} with everything that is missing or contradicts itself. */
export function checkAuth(config: AuthConfig): void {
  const problems: string[] = [];
  const isOidc = config.auth.includes('oidc');
  if (isOidc && !config.oidcIssuer) problems.push('KNARR_OIDC_ISSUER (unset): KNARR_AUTH=oidc needs it');
  if (isOidc && config.oidcAudience.length === 0) {
    problems.push('KNARR_OIDC_AUDIENCE (unset): KNARR_AUTH=oidc needs it');
  }
  if (config.eventsAuth === 'oidc') {
    if (!config.eventsIssuer) problems.push('KNARR_EVENTS_ISSUER (unset): KNARR_EVENTS_AUTH=oidc needs it');
    if (config.eventsAudience.length === 0) {
      problems.push('KNARR_EVENTS_AUDIENCE (unset): KNARR_EVENTS_AUTH=oidc needs it');
    }
    if (config.eventsSubjects.length === 0) {
      problems.push(
        'KNARR_EVENTS_SUBJECTS (unset): KNARR_EVENTS_AUTH=oidc needs it, since every service account can have such a token',
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

export function createAuthenticator(access: AccessStore, config: AuthConfig): Authenticator {
  checkAuth(config);
  const skewMs = config.oidcSkew;
  const keys = config.auth.includes('keys') ? keyVerifier(access, config.operatorTenant) : undefined;
  const issuer =
    config.auth.includes('oidc') && config.oidcIssuer !== undefined
      ? openIssuer({
          issuer: config.oidcIssuer,
          audience: config.oidcAudience,
          algorithms: config.oidcAlgorithms,
          skewMs,
        })
      : undefined;
  const broker =
    config.eventsAuth === 'oidc' && config.eventsIssuer !== undefined
      ? openIssuer({
          issuer: config.eventsIssuer,
          audience: config.eventsAudience,
          algorithms: config.oidcAlgorithms,
          skewMs,
          tokenFile: config.eventsTokenFile,
        })
      : undefined;

  const cache = verifiedCache(config.authCache, (token) => {
    if (token.startsWith(KEY_PREFIX)) {
      return keys ? keys.verify(token) : Promise.resolve(refused('API keys are not accepted here.'));
    }
    return issuer ? verifyJwt(issuer, token) : Promise.resolve(refused('The API key is not valid.'));
  });

  async function verifyJwt(by: Issuer, token: string): Promise<Verified> {
    try {
      const claims = await by.verify(token);
      return { identity: identityOf(claims, config), until: claims.exp * 1000 + skewMs };
    } catch (thrown) {
      const refusal = KnarrError.from(thrown);
      if (refusal.code !== 'unauthenticated' && refusal.code !== 'forbidden') throw refusal;
      return { refusal };
    }
  }

  return {
    async verify(request) {
      const token = bearer(request);
      if (token !== undefined) return cache.verify(contentHash(token), token);
      return { refusal: new KnarrError('unauthenticated', 'A bearer token is needed: an API key or a JWT.') };
    },

    async verifyEvent(request) {
      if (config.eventsAuth === 'trust') return;
      const token = bearer(request);
      if (!broker || token === undefined) {
        throw new KnarrError('forbidden', 'Events are taken from the Broker alone; others use /v1/events.');
      }
      const { sub = '' } = await broker.verify(token);
      const isBelieved = config.eventsSubjects.some((believed) =>
        believed.endsWith('*') ? sub.startsWith(believed.slice(0, -1)) : sub === believed,
      );
      if (!isBelieved) throw new KnarrError('forbidden', 'The token is valid, but not the Broker’s.');
    },

    forget: (actor) => cache.forget(actor),
    close: async () => keys?.close(),
  };
}

/** RFC 6750 §2.1; a token in a query string or form would end up in logs. */
function bearer(request: Request): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}
