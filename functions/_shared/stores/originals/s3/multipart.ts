import { KnarrError } from '../../../errors.ts';
import { readText, type S3 } from './client.ts';

/** S3 takes parts of 5 MiB to 5 GiB, at most 10,000 of them: this reaches 80 GB. */
export const PART_BYTES = 8 * 1024 * 1024;
/** Parts on their way at once. */
const LANES = 4;

/**
 * Uploads a large object in parts. It appears whole when it resolves; on failure what was uploaded is given up. An
 * upload that not even that could reach is left to the bucket's lifecycle rule for unfinished uploads.
 */
export async function putInParts(
  s3: S3,
  key: string,
  content: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const uploadId = await s3({
    method: 'POST',
    key,
    query: { uploads: '' },
    // Begun twice, it would leave an upload that nobody ends.
    idempotent: false,
    signal,
    read: async (response) =>
      decodeEntities(/<UploadId>(.*?)<\/UploadId>/s.exec(await readText(response))?.[1]),
  });
  try {
    const etags = await putParts(s3, key, uploadId, content, signal);
    await complete(s3, key, uploadId, etags, content.byteLength, signal);
  } catch (thrown) {
    const giveUp = s3({
      method: 'DELETE',
      key,
      query: { uploadId },
      read: async (response) => void (await response.body?.cancel()),
    });
    await giveUp.catch(() => {});
    throw thrown;
  }
}

async function putParts(
  s3: S3,
  key: string,
  uploadId: string,
  content: Uint8Array,
  outer?: AbortSignal,
): Promise<string[]> {
  const failed = new AbortController();
  const signal = outer ? AbortSignal.any([outer, failed.signal]) : failed.signal;
  const etags: string[] = [];
  let next = 0;
  const lane = async () => {
    while (next * PART_BYTES < content.byteLength) {
      const part = next++;
      etags[part] = await s3({
        method: 'PUT',
        key,
        query: { partNumber: String(part + 1), uploadId },
        body: content.subarray(part * PART_BYTES, (part + 1) * PART_BYTES),
        signal,
        async read(response) {
          await response.body?.cancel();
          return response.headers.get('etag') ?? '';
        },
      });
    }
  };
  const lanes = Array.from({ length: LANES }, () =>
    lane().catch((reason) => {
      failed.abort(reason);
      throw reason;
    }),
  );
  const ended = await Promise.allSettled(lanes);
  outer?.throwIfAborted();
  if (ended.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
  return etags;
}

async function complete(
  s3: S3,
  key: string,
  uploadId: string,
  etags: readonly string[],
  bytes: number,
  signal?: AbortSignal,
): Promise<void> {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${encodeEntities(etag)}</ETag></Part>`,
  );
  const answer = await s3({
    method: 'POST',
    key,
    query: { uploadId },
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`),
    signal,
    // Answered 200 before it is done, with the error in the body.
    read: async (response) => /<Code>(\w+)<\/Code>/.exec(await readText(response))?.[1],
    // An earlier attempt, whose answer was lost, has ended the upload.
    otherwise: { NoSuchUpload: () => 'NoSuchUpload' },
  });
  if (answer === undefined || (await sizeOf(s3, key, signal)) === bytes) return;
  throw new KnarrError('unavailable', `The store of originals could not join an upload (${answer}).`);
}

/** The object's size in bytes; undefined when it is not there. */
export function sizeOf(s3: S3, key: string, signal?: AbortSignal): Promise<number | undefined> {
  return s3<number | undefined>({
    method: 'HEAD',
    key,
    signal,
    read: async (response) => Number(response.headers.get('content-length')),
    otherwise: { NotFound: () => undefined },
  });
}

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#34;': '"',
};
const decodeEntities = (text = '') => text.replace(/&\w+;|&#34;/g, (entity) => ENTITIES[entity] ?? entity);
const encodeEntities = (text: string) =>
  text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
