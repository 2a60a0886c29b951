import { KnarrError } from '../../../errors.ts';
import { checkKey, hashOf, type OriginalStore, readOriginal } from '../port.ts';
import { createS3, type S3Settings } from './client.ts';
import { PART_BYTES, putInParts, sizeOf } from './multipart.ts';

export interface S3OriginalsOptions extends S3Settings {
  /** Largest original that is read or written, bytes. */
  maxBytes: number;
}

/** Larger content goes up in parts, several at once. */
const MAX_SINGLE_BYTES = 2 * PART_BYTES;

const ignore = async (response: Response) => void (await response.body?.cancel());

/**
 * Originals as objects of a bucket, at `<prefix><key>`, path style. What is written is checked by the server against its
 * hash, what is read against the hash in its key. Throws `unavailable` when the server cannot be reached or has too much
 * to do, and `upstream_failed` for a missing bucket or refused credentials, naming the knob to look at.
 */
export function s3Originals({ maxBytes, ...settings }: S3OriginalsOptions): OriginalStore {
  const s3 = createS3(settings);
  let writable: Promise<void> | undefined;

  /** Leaves an empty object: whether a bucket may be written shows in no cheaper way. */
  const checkWritable = () => s3({ method: 'PUT', key: '.knarr', body: new Uint8Array(), read: ignore });

  return {
    async put(key, content, signal) {
      checkKey(key);
      if (content.byteLength > maxBytes) {
        throw new KnarrError('too_large', `An original is larger than ${maxBytes} bytes.`);
      }
      // The key names the content, so an object of the right size is the same content.
      if ((await sizeOf(s3, key, signal)) === content.byteLength) return;
      if (content.byteLength > MAX_SINGLE_BYTES) await putInParts(s3, key, content, signal);
      else await s3({ method: 'PUT', key, body: content, bodyHash: hashOf(key), signal, read: ignore });
    },

    async get(key, signal) {
      checkKey(key);
      return s3<Uint8Array | undefined>({
        method: 'GET',
        key,
        signal,
        read: (response) => readOriginal(key, response.body ?? nothing(), maxBytes),
        otherwise: { NoSuchKey: () => undefined },
      });
    },

    async delete(key) {
      checkKey(key);
      await s3<void>({ method: 'DELETE', key, read: ignore, otherwise: { NoSuchKey: () => {} } });
    },

    async ping() {
      writable ??= checkWritable();
      await writable.catch((thrown) => {
        writable = undefined;
        throw thrown;
      });
      await s3({ method: 'HEAD', read: ignore });
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
