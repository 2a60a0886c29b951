import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { s3Missing, startS3 } from '../../../../test/support/s3.ts';
import { readConfig, redact } from '../../config.ts';
import { contentHash } from '../../ids.ts';
import { storeKnobs } from '../knobs.ts';
import { openOriginals } from './open.ts';
import { originalKey } from './port.ts';

const open = (env: Record<string, string>) => openOriginals(readConfig(storeKnobs, env));
const content = Buffer.from('kept');
const key = originalKey('acme', contentHash(content));

test('without a bucket, a folder keeps them', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'knarr-originals-'));
  await open({ KNARR_DATA_DIR: dataDir }).put(key, content);
  expect(Buffer.from((await open({ KNARR_DATA_DIR: dataDir }).get(key)) ?? [])).toEqual(content);
  await rm(dataDir, { recursive: true });
});

test('a bucket that is half configured is refused, and its secrets are not shown', () => {
  expect(() => open({ S3_ENDPOINT: 'http://s3.example' })).toThrow('S3_BUCKET');
  expect(() => open({ S3_BUCKET: 'b' })).toThrow(/AWS_ACCESS_KEY_ID.*\n.*AWS_SECRET_ACCESS_KEY/);
  expect(() => open({ S3_BUCKET: 'b', AWS_ACCESS_KEY_ID: 'a' })).toThrow('AWS_SECRET_ACCESS_KEY');
  expect(() => open({ S3_BUCKET: 'b', S3_PREFIX: '/x' })).toThrow('S3_PREFIX');
  const secrets = {
    AWS_ACCESS_KEY_ID: 'hush-1',
    AWS_SECRET_ACCESS_KEY: 'hush-2',
    AWS_SESSION_TOKEN: 'hush-3',
  };
  const shown = JSON.stringify(redact(storeKnobs, readConfig(storeKnobs, secrets)));
  expect(shown).not.toContain('hush');
});

const missing = s3Missing();
test.skipIf(missing)(`a bucket keeps them below its prefix${missing ? `: ${missing}` : ''}`, async () => {
  const server = await startS3();
  await server.createBucket('kept');
  const env = {
    S3_ENDPOINT: `${server.endpoint}/`,
    S3_BUCKET: 'kept',
    S3_PREFIX: 'a/b-',
    AWS_ACCESS_KEY_ID: server.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
  };
  await open(env).put(key, content);
  expect(await (await server.request('GET', `/kept/a/b-${key}`)).text()).toBe('kept');
  await server.stop();
});
