import { join } from 'node:path';
import { type Config, ConfigError } from '../../config.ts';
import { folderOriginals } from './folder.ts';
import type { originalKnobs } from './knobs.ts';
import type { OriginalStore } from './port.ts';
import { s3Originals } from './s3/store.ts';

type OriginalConfig = Config<typeof originalKnobs>;

/** The store of originals that is configured. Throws `ConfigError` when a bucket is half configured. */
export function openOriginals(config: { dataDir: string } & OriginalConfig): OriginalStore {
  const { s3Bucket, awsAccessKeyId, awsSecretAccessKey, awsRegion } = config;
  if (s3Bucket === undefined) {
    if (config.s3Endpoint !== undefined) throw new ConfigError(['S3_BUCKET (unset): S3_ENDPOINT needs it']);
    return folderOriginals(join(config.dataDir, 'originals'));
  }
  const missing = Object.entries({
    AWS_ACCESS_KEY_ID: awsAccessKeyId,
    AWS_SECRET_ACCESS_KEY: awsSecretAccessKey,
  }).filter(([, value]) => value === undefined);
  if (awsAccessKeyId === undefined || awsSecretAccessKey === undefined) {
    throw new ConfigError(missing.map(([name]) => `${name} (unset): S3_BUCKET needs it`));
  }
  return s3Originals({
    endpoint: config.s3Endpoint ?? `https://s3.${awsRegion}.amazonaws.com`,
    bucket: s3Bucket,
    region: awsRegion,
    accessKeyId: awsAccessKeyId,
    secretAccessKey: awsSecretAccessKey,
    sessionToken: config.awsSessionToken,
    prefix: config.s3Prefix,
    timeoutMs: config.s3Timeout,
    maxBytes: config.maxOriginalBytes,
  });
}
