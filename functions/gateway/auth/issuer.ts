import { readFile } from 'node:fs/promises';
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { KnarrError } from '../../_shared/errors.ts';

export interface IssuerOptions {
  /** As the tokens' `iss` names it; its discovery document is below it. */
  issuer: string;
  audience: readonly string[];
  algorithms: readonly string[];
  skewMs: number;
  /** File with a bearer token for the key set, read at each request for it. */
  tokenFile?: string | undefined;
  /** Longest age of the keys before they are read again, milliseconds. Default 10 minutes. */
  maxAgeMs?: number;
  /** Shortest time between two readings of the keys that unknown ones can cause, milliseconds. Default 5 s. */
  cooldownMs?: number;
}

export interface Issuer {
  /**
   * The claims of a token that this issuer signed and that is for us, now. Throws `unauthenticated` for any other token,
   * `unavailable` while the issuer's keys cannot be had.
   */
  verify(token: string): Promise<JWTPayload & { exp: number }>;
}

/** Longest wait for the issuer, and pause after it has failed. */
const TIMEOUT_MS = 5000;
const PAUSE_MS = 1000;
/** How long keys are used on when the issuer has gone: an outage of it should not become one of ours. */
const STALE_MS = 3_600_000;

/** Tokens of an OpenID Connect issuer, by its discovery document and key set. Nothing is read before the first token. */
export function openIssuer(options: IssuerOptions): Issuer {
  const { issuer, audience, algorithms, skewMs } = options;
  let opened: ReturnType<typeof open> | undefined;

  async function open() {
    const { createRemoteJWKSet, customFetch, errors, jwtVerify } = await import('jose');
    const read = reader(options.tokenFile);
    const kept = keepingLast(read, () => discover(issuer, read));
    const keys = createRemoteJWKSet(await discover(issuer, read), {
      cacheMaxAge: options.maxAgeMs ?? 600_000,
      cooldownDuration: options.cooldownMs ?? 5000,
      timeoutDuration: TIMEOUT_MS,
      [customFetch]: kept.read,
    });
    return { keys, errors, jwtVerify, isAway: kept.isAway };
  }

  return {
    async verify(token) {
      opened ??= open();
      const { keys, errors, jwtVerify, isAway } = await opened.catch((thrown) => {
        setTimeout(() => (opened = undefined), PAUSE_MS).unref();
        throw unavailable(thrown);
      });
      try {
        const verified = await jwtVerify(token, keys, {
          issuer,
          audience: [...audience],
          algorithms: [...algorithms],
          clockTolerance: skewMs / 1000,
          requiredClaims: ['exp'],
        });
        return verified.payload as JWTPayload & { exp: number };
      } catch (thrown) {
        if (thrown instanceof errors.JWTExpired) throw invalid('The token has expired.', thrown);
        if (thrown instanceof errors.JWTClaimValidationFailed) {
          throw invalid(`The token's claim ${thrown.claim} is not accepted.`, thrown);
        }
        const isIssuers =
          thrown instanceof errors.JWKSInvalid ||
          thrown instanceof errors.JWKSTimeout ||
          // It may be one of the keys that could not be read.
          (thrown instanceof errors.JWKSNoMatchingKey && isAway());
        // The bare class is what a key set that cannot be read is.
        const isTokens = thrown instanceof errors.JOSEError && thrown.constructor !== errors.JOSEError;
        throw isTokens && !isIssuers ? invalid('The token is not valid.', thrown) : unavailable(thrown);
      }
    },
  };
}

type Read = (url: string, init?: RequestInit) => Promise<Response>;

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/** Where the keys are (OpenID Connect Discovery 1.0 §4). */
async function discover(issuer: string, read: Read): Promise<URL> {
  const response = await read(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: 'error',
  });
  if (!response.ok) throw new Error(`The issuer answers ${response.status}.`);
  const found = Discovery.parse(await response.json());
  if (found.issuer !== issuer) throw new Error(`The issuer calls itself ${found.issuer}.`);
  return new URL(found.jwks_uri);
}

function reader(tokenFile: string | undefined): Read {
  return async (url, init = {}) => {
    const headers = new Headers(init.headers);
    if (tokenFile) headers.set('authorization', `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`);
    return fetch(url, { ...init, headers });
  };
}

/**
 * Answers with the last keys, for a while, when the issuer cannot be reached (`isAway`); and asks a failing one not too often. Where
 * the keys are no longer, `locate` may find them elsewhere.
 */
function keepingLast(read: Read, locate: () => Promise<URL>): { read: Read; isAway(): boolean } {
  let moved: string | undefined;
  let last: { body: string; at: number } | undefined;
  let failure: { thrown: unknown; at: number } | undefined;
  const since = (at: number) => Date.now() - at;

  async function load(url: string, init?: RequestInit): Promise<string> {
    const response = await read(url, init);
    if (!response.ok) throw new Error(`The key set answers ${response.status}.`);
    const body = await response.text();
    JSON.parse(body);
    return body;
  }

  async function fresh(url: string, init?: RequestInit): Promise<string> {
    if (failure && since(failure.at) < PAUSE_MS) throw failure.thrown;
    try {
      const known = moved ?? url;
      const body = await load(known, init).catch(async (thrown) => {
        const { href } = await locate();
        if (href === known) throw thrown;
        const found = await load(href, init);
        moved = href;
        return found;
      });
      failure = undefined;
      return body;
    } catch (thrown) {
      failure = { thrown, at: Date.now() };
      throw thrown;
    }
  }

  return {
    isAway: () => failure !== undefined,
    async read(url, init) {
      try {
        last = { body: await fresh(url, init), at: Date.now() };
      } catch (thrown) {
        if (!last || since(last.at) > STALE_MS) throw thrown;
      }
      return new Response(last.body, { headers: { 'content-type': 'application/json' } });
    },
  };
}

const invalid = (message: string, cause: unknown) =>
  new KnarrError('unauthenticated', message, {
    cause,
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
const unavailable = (cause: unknown) =>
  new KnarrError('unavailable', 'The keys of the token issuer cannot be had.', { cause });
