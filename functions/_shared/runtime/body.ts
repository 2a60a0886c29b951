import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { KnarrError } from '../errors.ts';

const DECODERS = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * The whole body, decompressed. Reading stops as soon as `limit` bytes are exceeded, before or after decompression.
 * Throws `too_large`, `unsupported_media_type` for an unknown content encoding, `invalid_request` for broken compression
 * and `cancelled` when the sender breaks off. `grow` is told of bytes before they are kept, of all at once where the sender
 * says how many they are; what it throws is thrown.
 */
export async function readBody(
  request: Request,
  limit: number,
  grow: (bytes: number) => void = () => {},
): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN);
  if (declared > limit) throw tooLarge(limit);
  const encoding = encodingOf(request);
  if (encoding === 'identity' && declared >= 0) {
    grow(declared);
    return new Uint8Array(await request.arrayBuffer().catch(brokenOff));
  }
  const parts: Uint8Array[] = [];
  for await (const part of bodyStream(request, limit)) {
    grow(part.byteLength);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The body as a stream of decompressed bytes, with the same limits and errors as {@link readBody}. */
export async function* bodyStream(request: Request, limit: number): AsyncGenerator<Uint8Array> {
  if (!request.body) return;
  const encoding = encodingOf(request);
  const raw = Readable.from(received(request.body as ReadableStream<Uint8Array>, limit));
  if (encoding === 'identity') {
    yield* raw;
    return;
  }
  if (!Object.hasOwn(DECODERS, encoding)) {
    raw.destroy();
    throw new KnarrError(
      'unsupported_media_type',
      `The content encoding ${encoding.slice(0, 32)} is not supported.`,
    );
  }
  const decoder = DECODERS[encoding as keyof typeof DECODERS]();
  raw.on('error', (error) => decoder.destroy(error));
  try {
    yield* capped(raw.pipe(decoder), limit);
  } catch (thrown) {
    if (thrown instanceof KnarrError) throw thrown;
    throw new KnarrError('invalid_request', `The body is not valid ${encoding}.`, { cause: thrown });
  } finally {
    raw.destroy();
    decoder.destroy();
  }
}

const encodingOf = ({ headers }: Request): string =>
  headers.get('content-encoding')?.trim().toLowerCase() || 'identity';

async function* received(body: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  try {
    yield* capped(body, limit);
  } catch (thrown) {
    if (thrown instanceof KnarrError) throw thrown;
    brokenOff(thrown);
  }
}

function brokenOff(cause: unknown): never {
  throw new KnarrError('cancelled', 'The body broke off.', { cause });
}

async function* capped(source: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const part of source) {
    size += part.byteLength;
    if (size > limit) throw tooLarge(limit);
    yield part;
  }
}

const tooLarge = (limit: number) => new KnarrError('too_large', `The body is larger than ${limit} bytes.`);

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes as UTF-8 text. Throws `invalid_request` when they are not. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new KnarrError('invalid_request', 'The body is not valid UTF-8.', { cause });
  }
}
