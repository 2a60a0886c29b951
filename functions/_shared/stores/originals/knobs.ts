import { z } from 'zod';
import { bytes, duration, knob, url } from '../../config.ts';

const text = () => z.string().min(1).optional();

/** Where the original documents are kept: a folder, or a bucket when `S3_BUCKET` names one. */
export const originalKnobs = {
  s3Bucket: knob(
    'S3_BUCKET',
    text(),
    'Bucket for the original documents. Unset: a folder in KNARR_DATA_DIR keeps them.',
  ),
  s3Endpoint: knob(
    'S3_ENDPOINT',
    url(),
    'Address of an S3-compatible server, asked in path style. Unset: AWS, in AWS_REGION.',
  ),
  s3Prefix: knob(
    'S3_PREFIX',
    z
      .string()
      .regex(/^(?!\/)[\w!.*'()/-]{0,512}$/, "expected letters, digits and -_.!*'()/, not beginning with /")
      .default(''),
    'Put in front of every key, as it is: end it with / for a folder.',
  ),
  awsRegion: knob('AWS_REGION', z.string().min(1).default('us-east-1'), 'Region of the bucket.'),
  awsAccessKeyId: knob('AWS_ACCESS_KEY_ID', text(), 'Access key for the bucket.', { secret: true }),
  awsSecretAccessKey: knob('AWS_SECRET_ACCESS_KEY', text(), 'Its secret.', { secret: true }),
  awsSessionToken: knob('AWS_SESSION_TOKEN', text(), 'Token of temporary credentials.', { secret: true }),
  s3Timeout: knob(
    'KNARR_S3_TIMEOUT',
    duration('60s'),
    'Longest time for one request to the bucket: an original, or a part of it, of 8 MiB.',
  ),
  maxOriginalBytes: knob(
    'KNARR_MAX_ORIGINAL_BYTES',
    bytes('1GiB'),
    'Largest original taken into or out of the bucket.',
  ),
};
