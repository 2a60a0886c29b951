import { KnarrError } from '../../../errors.ts';

/** What an error answer says: S3's own code, and the error for the caller. */
export interface Failure {
  code: string;
  error: KnarrError;
}

interface Named {
  endpoint: string;
  bucket: string;
  region: string;
}

/** Codes of an answer without a body, as HEAD gives them. */
const CODES: Record<number, string> = { 403: 'AccessDenied', 404: 'NotFound', 301: 'PermanentRedirect' };

/** Reads an S3 error answer. Its message names the knob to look at; the answer's own text is not passed on. */
export function failureOf(settings: Named, method: string, status: number, body: string): Failure {
  const code = /<Code>([\w.]{1,64})<\/Code>/.exec(body)?.[1] ?? CODES[status] ?? `status ${status}`;
  const where = new URL(settings.endpoint).host;
  const failed = (message: string) => ({ code, error: new KnarrError('upstream_failed', message) });
  switch (code) {
    case 'NoSuchBucket':
    case 'NotFound':
      return failed(`There is no bucket ${settings.bucket} at ${where}: create it, or correct S3_BUCKET.`);
    case 'InvalidAccessKeyId':
    case 'XAdminUserNotFound': // Versity's word for it.
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return failed(
        `${where} refuses the credentials (${code}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.`,
      );
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
      return failed(`${where} does not allow ${method} in the bucket ${settings.bucket} (${code}).`);
    case 'RequestTimeTooSkewed':
      return failed(`${where} refuses the request because the clock of this machine is wrong.`);
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return failed(
        `The bucket ${settings.bucket} is not in ${settings.region} at ${where}: check AWS_REGION and S3_ENDPOINT.`,
      );
    case 'EntityTooLarge':
      return {
        code,
        error: new KnarrError('too_large', `${where} does not take an original of this size.`),
      };
  }
  if (status === 429 || status >= 500) {
    return { code, error: new KnarrError('unavailable', `${where} answers ${status} (${code}).`) };
  }
  return failed(`${where} refused ${method} with ${status} (${code}).`);
}

/** No answer, or none to the end. */
export function unreachable({ endpoint }: Named, tookTooLong: boolean, cause: unknown): KnarrError {
  const { host } = new URL(endpoint);
  const how = tookTooLong ? 'takes too long to answer' : 'does not answer';
  return new KnarrError('unavailable', `The store of originals at ${host} ${how}: check S3_ENDPOINT.`, {
    cause,
  });
}
