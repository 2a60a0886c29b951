import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { AUDIENCE, startIssuer, type TestIssuer } from '../../../test/support/issuer.ts';
import { type IssuerOptions, openIssuer } from './issuer.ts';

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(() => issuer.close());

const open = (more: Partial<IssuerOptions> = {}) =>
  openIssuer({
    issuer: issuer.url,
    audience: [AUDIENCE, 'other'],
    algorithms: ['RS256', 'ES256'],
    skewMs: 30_000,
    cooldownMs: 0,
    ...more,
  });
const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow;
const invalid = { code: 'unauthenticated', status: 401 };

test('takes what the issuer signed for us, by any accepted algorithm', async () => {
  const { verify } = open();
  expect(await verify(await issuer.sign({ groups: ['a'] }))).toMatchObject({ sub: 'alice', groups: ['a'] });
  expect(await verify(await issuer.sign({ aud: ['x', 'other'] }, { alg: 'ES256' }))).toMatchObject({
    sub: 'alice',
  });
  expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
});

test.each<[string, () => Promise<string>]>([
  ['another audience', () => issuer.sign({ aud: 'somebody-else' })],
  ['no audience', () => issuer.sign({ aud: undefined })],
  ['another issuer', () => issuer.sign({ iss: 'https://issuer.example' })],
  ['an issuer that begins alike', () => issuer.sign({ iss: `${issuer.url}/` })],
  ['no expiry', () => issuer.sign({ exp: undefined })],
  ['expired beyond the skew', () => issuer.sign({ exp: seconds(-40) })],
  ['not valid yet, beyond the skew', () => issuer.sign({ nbf: seconds(60) })],
  ['an algorithm that is not accepted', () => issuer.sign({}, { alg: 'RS512' })],
  ['a key nobody published', () => issuer.sign({}, { kid: 'unknown' })],
  ['no token at all', async () => 'abc'],
  ['three parts of nothing', async () => 'a.b.c'],
  [
    'no signature',
    async () =>
      new UnsecuredJWT({ sub: 'alice' })
        .setIssuer(issuer.url)
        .setAudience(AUDIENCE)
        .setExpirationTime('5m')
        .encode(),
  ],
  [
    'claims that were changed',
    async () => {
      const [head, , signature] = (await issuer.sign()).split('.');
      const claims = { iss: issuer.url, aud: AUDIENCE, sub: 'root', exp: seconds(60) };
      return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    },
  ],
  [
    'the key of somebody else under a published name',
    async () => {
      const { privateKey } = await generateKeyPair('RS256');
      return new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
        .setIssuer(issuer.url)
        .setAudience(AUDIENCE)
        .setExpirationTime('5m')
        .sign(privateKey);
    },
  ],
  [
    // The classic confusion: the public key as the secret of an HMAC.
    'a shared secret',
    async () => {
      const { publicKey } = await generateKeyPair('RS256', { extractable: true });
      return new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
        .setIssuer(issuer.url)
        .setAudience(AUDIENCE)
        .setExpirationTime('5m')
        .sign(Buffer.from(await exportSPKI(publicKey)));
    },
  ],
  [
    // What the header brings along is no key of the issuer's.
    'a key in its own header',
    async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
      const { exportJWK } = await import('jose');
      return new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK(publicKey) })
        .setIssuer(issuer.url)
        .setAudience(AUDIENCE)
        .setExpirationTime('5m')
        .sign(privateKey);
    },
  ],
])('refuses %s', async (_, make) => {
  await expect(open().verify(await make())).rejects.toMatchObject(invalid);
});

test('clocks may differ by the skew', async () => {
  const { verify } = open();
  await verify(await issuer.sign({ exp: seconds(-20) }));
  await verify(await issuer.sign({ nbf: seconds(20) }));
  await expect(open({ skewMs: 0 }).verify(await issuer.sign({ exp: seconds(-20) }))).rejects.toMatchObject({
    ...invalid,
    message: 'The token has expired.',
  });
});

test('a new key is found at once, and an old one is forgotten with its key set', async () => {
  const { verify } = open();
  const old = await issuer.sign();
  await verify(old);
  await issuer.rotate();
  await verify(await issuer.sign());
  await expect(verify(old)).rejects.toMatchObject(invalid);
});

test('unknown keys make the key set be read again only so often', async () => {
  const { verify } = open({ cooldownMs: 60_000 });
  await verify(await issuer.sign());
  for (let n = 0; n < 20; n++) {
    await expect(verify(await issuer.sign({}, { kid: `unknown-${n}` }))).rejects.toMatchObject(invalid);
  }
  expect(issuer.asked.filter((path) => path === '/keys')).toHaveLength(1);
});

test('an issuer that is away is no reason to refuse what it signed before, nor to believe what it did not', async () => {
  const { verify } = open({ maxAgeMs: 0 });
  const token = await issuer.sign();
  await verify(token);
  issuer.away(true);
  await verify(token);
  await expect(verify(await issuer.sign({ aud: 'x' }))).rejects.toMatchObject(invalid);
});

test.each([{ cooldownMs: 0 }, { cooldownMs: 60_000, maxAgeMs: 0 }])(
  'while its keys cannot be had, whether one not seen yet is the issuer’s is not known: %o',
  async (more) => {
    const { verify } = open(more);
    const old = await issuer.sign();
    await verify(old);
    await issuer.rotate();
    const fresh = await issuer.sign();
    issuer.away(true);
    const unavailable = { code: 'unavailable', status: 503 };
    for (const token of [fresh, await issuer.sign({}, { kid: 'unknown' }), fresh]) {
      await expect(verify(token)).rejects.toMatchObject(unavailable);
      await verify(old);
    }
    const { kid = '' } = decodeProtectedHeader(old);
    await expect(verify(await issuer.sign({}, { kid }))).rejects.toMatchObject(invalid);
    issuer.away(false);
    await expect.poll(() => verify(fresh).catch(() => undefined), { timeout: 10_000 }).toBeDefined();
    await expect(verify(await issuer.sign({}, { kid: 'unknown' }))).rejects.toMatchObject(invalid);
  },
);

test('before its keys were ever read, an issuer that is away makes us unavailable; then we recover', async () => {
  issuer.away(true);
  const { verify } = open();
  const token = await issuer.sign();
  await expect(verify(token)).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  await expect(verify(token)).rejects.toMatchObject({ code: 'unavailable' });
  const asked = issuer.asked.length;
  issuer.away(false);
  await expect.poll(() => verify(token).catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  // While it was known to be away it was left alone.
  expect(asked).toBe(1);
});

test('keys that have moved are found where the issuer says now', async () => {
  const { verify } = open();
  await verify(await issuer.sign());
  issuer.move('/new/keys');
  await issuer.rotate();
  await verify(await issuer.sign());
  await issuer.rotate();
  await verify(await issuer.sign());
  expect(issuer.asked.filter((path) => path === '/keys')).toHaveLength(2);
});

test('an issuer that goes by another name is not the one', async () => {
  const { verify } = open({ issuer: `${issuer.url}/` });
  await expect(verify(await issuer.sign())).rejects.toMatchObject({ code: 'unavailable' });
});

test('shows its own token to an issuer that asks for one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-issuer-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'secret\n');
  issuer.guard = 'Bearer secret';
  await open({ tokenFile }).verify(await issuer.sign());
  await expect(open().verify(await issuer.sign())).rejects.toMatchObject({ code: 'unavailable' });
});
