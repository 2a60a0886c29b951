import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { KnarrError } from '../../../errors.ts';
import { PassingFailure, retryAfterMs, retrying } from '../../../retry.ts';
import { failureOf, unreachable } from './errors.ts';

/** One bucket of an S3-compatible server. */
export interface S3Settings {
  /** Scheme, host and port; a path is kept in front of the bucket. */
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
  /** Put in front of every key as it is. */
  prefix: string;
  /** Longest time for one attempt, from connecting to the last byte of the answer, milliseconds. */
  timeoutMs: number;
}

export interface S3Request<T> {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Absent: the bucket itself. */
  key?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** SHA-256 of the body, hex; computed when absent. The server refuses a body that does not have it. */
  bodyHash?: string;
  signal?: AbortSignal | undefined;
  /** False: only a refusal (429, 503) is tried again, not an answer that was lost. Default true. */
  idempotent?: boolean;
  /** Reads the answer within the attempt, so that an answer that breaks off is tried again too. */
  read(response: Response): Promise<T>;
  /** What certain failures mean to the caller, by S3's error code. */
  otherwise?: Record<string, () => T>;
}

const RETRY = { attempts: 4, firstPauseMs: 100, longestPauseMs: 5_000 };
/** Of an error answer, bytes. */
const MAX_ERROR_BYTES = 65_536;

/** Sends a signed request, path style. Throws what {@link failureOf} says of the answer. */
export type S3 = <T>(request: S3Request<T>) => Promise<T>;

export function createS3(settings: S3Settings): S3 {
  const { accessKeyId, secretAccessKey, sessionToken, region } = settings;
  const signer = new AwsClient({
    accessKeyId,
    secretAccessKey,
    region,
    service: 's3',
    ...(sessionToken && { sessionToken }),
  });
  const base = `${settings.endpoint.replace(/\/+$/, '')}/${encodeSegment(settings.bucket)}`;

  async function attempt<T>(request: S3Request<T>): Promise<T> {
    const { method, key, body, idempotent = true } = request;
    const path = key === undefined ? '' : `/${encodePath(settings.prefix + key)}`;
    const query = new URLSearchParams(request.query).toString();
    const time = AbortSignal.timeout(settings.timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, time]) : time;
    const signed = await signer.sign(`${base}${path}${query && `?${query}`}`, {
      method,
      headers: {
        ...request.headers,
        // fetch would inflate without a limit.
        'accept-encoding': 'identity',
        'x-amz-content-sha256': request.bodyHash ?? sha256(body),
      },
      ...(body && { body }),
    });
    try {
      const response = await fetch(signed, { signal, redirect: 'manual' });
      if (response.ok) return await request.read(response);
      const failure = failureOf(settings, method, response.status, await readError(response));
      const meaning = request.otherwise?.[failure.code];
      if (meaning) return meaning();
      const refused = response.status === 429 || response.status === 503;
      if (refused || (idempotent && response.status >= 500)) {
        throw new PassingFailure(failure.error, retryAfterMs(response.headers));
      }
      throw failure.error;
    } catch (thrown) {
      if (thrown instanceof KnarrError || thrown instanceof PassingFailure) throw thrown;
      if (request.signal?.aborted) throw KnarrError.from(request.signal.reason);
      const error = unreachable(settings, time.aborted, thrown);
      // What took all its time is not begun again: the caller's own time would be used up.
      throw idempotent && !time.aborted ? new PassingFailure(error) : error;
    }
  }

  return (request) => retrying(() => attempt(request), { ...RETRY, signal: request.signal });
}

/** The answer's text. Throws beyond {@link MAX_ERROR_BYTES}. */
export async function readText(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (text.length > MAX_ERROR_BYTES) throw new Error('The answer has no end in sight.');
  }
  return text;
}

/** An error without a readable body is judged by its status. */
const readError = (response: Response): Promise<string> => readText(response).catch(() => '');

const sha256 = (body: Uint8Array = new Uint8Array()) => createHash('sha256').update(body).digest('hex');
const encodePath = (key: string) => key.split('/').map(encodeSegment).join('/');
/** RFC 3986: also what `encodeURIComponent` leaves, since signatures are over the encoded path. */
const encodeSegment = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
