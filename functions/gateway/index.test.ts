import { expect, test } from 'vitest';
import { ConfigError } from '../_shared/config.ts';
import { asFunction } from '../_shared/runtime/func.ts';
import { openStage } from '../_shared/runtime/start.ts';
import { stage } from './index.ts';

/** Nothing is opened: what is wrong with the configuration is told before. */
const problemsOf = async (env: Record<string, string>, address = '127.0.0.1'): Promise<string[]> => {
  const failure = await openStage(stage, { KNARR_DATA_DIR: '/nowhere', ...env }, () => address).catch(
    (thrown: unknown) => thrown,
  );
  expect(failure).toBeInstanceOf(ConfigError);
  return (failure as ConfigError).problems;
};

test('without authentication it is opened for this machine alone', async () => {
  for (const address of ['0.0.0.0', '', '10.0.0.1', '::']) {
    expect(await problemsOf({}, address)).toEqual([expect.stringContaining('listens on loopback only')]);
    expect(await problemsOf({ KNARR_AUTH: 'none' }, address)).toHaveLength(1);
  }
  // The stock runtime listens everywhere.
  await expect(asFunction(stage, {}).init()).rejects.toThrow('not on every address');
});

test('authentication that lacks something is told in full', async () => {
  expect(await problemsOf({ KNARR_AUTH: 'keys,oidc' })).toEqual([
    expect.stringContaining('KNARR_OIDC_ISSUER'),
    expect.stringContaining('KNARR_OIDC_AUDIENCE'),
  ]);
  expect(await problemsOf({ KNARR_AUTH: 'keys', KNARR_EVENTS_AUTH: 'oidc' })).toEqual([
    expect.stringContaining('KNARR_EVENTS_ISSUER'),
    expect.stringContaining('KNARR_EVENTS_AUDIENCE'),
    expect.stringContaining('KNARR_EVENTS_SUBJECTS'),
  ]);
});

test.each([
  ['KNARR_AUTH', 'basic'],
  ['KNARR_AUTH', 'none,keys'],
  ['KNARR_AUTH_CACHE', '2m'],
  ['KNARR_OIDC_ISSUER', 'ftp://issuer.example'],
  ['KNARR_OIDC_ALGORITHMS', 'RS256,HS256'],
  ['KNARR_OIDC_ALGORITHMS', 'none'],
  ['KNARR_OIDC_CLOCK_SKEW', '1h'],
  ['KNARR_OIDC_TENANT', '../x'],
  ['KNARR_OIDC_DEFAULT_ROLE', 'root'],
  ['KNARR_EVENTS_AUTH', 'maybe'],
  ['KNARR_OPERATOR_TENANT', 'a b'],
  ['KNARR_QUOTA_REQUESTS', '-1'],
  ['KNARR_QUOTA_DOCUMENTS', 'many'],
])('%s=%s is no configuration', async (name, value) => {
  expect(await problemsOf({ [name]: value })).toEqual([expect.stringContaining(name)]);
});
