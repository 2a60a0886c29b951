import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

/** An OpenID Connect issuer on this machine: discovery document and key set over HTTP. */
export interface TestIssuer {
  url: string;
  /** A token signed by the newest key; `claims` replace the usual ones, undefined leaves one out. */
  sign(claims?: Record<string, unknown>, options?: { kid?: string; alg?: string }): Promise<string>;
  /** Signs with a new key from now on; the old ones are published no longer. */
  rotate(): Promise<void>;
  /** Publishes the keys at this path alone, from now on. */
  move(path: string): void;
  /** Answers 503 from now on, or again as usual. */
  away(isAway: boolean): void;
  /** Paths asked for so far. */
  asked: string[];
  /** When set, what the `Authorization` header must be. */
  guard: string | undefined;
  close(): Promise<void>;
}

export const AUDIENCE = 'knarr';

export async function startIssuer(): Promise<TestIssuer> {
  const asked: string[] = [];
  let keys: { kid: string; alg: string; privateKey: CryptoKey; jwk: JWK }[] = [];
  let isAway = false;
  let path = '/keys';
  let made = 0;

  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const json = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (isAway) return json(503, {});
    if (issuer.guard !== undefined && request.headers.authorization !== issuer.guard) return json(401, {});
    if (request.url === '/.well-known/openid-configuration') {
      return json(200, { issuer: issuer.url, jwks_uri: issuer.url + path });
    }
    if (request.url === path) return json(200, { keys: keys.map(({ jwk }) => jwk) });
    return json(404, {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function makeKey(alg: string) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${++made}`;
    return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
  }

  const issuer: TestIssuer = {
    url,
    asked,
    guard: undefined,
    async sign(claims = {}, { kid, alg = 'RS256' } = {}) {
      const key = keys.find((each) => each.alg === alg);
      if (!key) throw new Error(`There is no ${alg} key.`);
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: url, aud: AUDIENCE, sub: 'alice', iat: now, exp: now + 300 };
      const given = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(given) as JWTPayload)
        .setProtectedHeader({ alg, kid: kid ?? key.kid, typ: 'JWT' })
        .sign(key.privateKey);
    },
    async rotate() {
      keys = await Promise.all(['RS256', 'ES256', 'RS512'].map(makeKey));
    },
    move: (to) => {
      path = to;
    },
    away: (now) => {
      isAway = now;
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
  await issuer.rotate();
  return issuer;
}
