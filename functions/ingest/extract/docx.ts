import { inflateRawSync } from 'node:zlib';
import mammoth from 'mammoth';
import { KnarrError } from '../../_shared/errors.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractFragment } from './html.ts';

/** A Word document, through mammoth's HTML: headings, lists and tables keep their structure; pictures are left out. */
export async function extractDocx(bytes: Uint8Array, limits: ExtractLimits): Promise<Extracted> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkArchive(buffer, limits.maxExpandedBytes);
  const options = { convertImage: mammoth.images.imgElement(async () => ({ src: '' })) };
  const { value } = await mammoth.convertToHtml({ buffer }, options).catch((cause: Error) => {
    throw new KnarrError('unprocessable', 'The Word document cannot be read; it may be damaged.', { cause });
  });
  return extractFragment(value.replace(/<img[^>]*>/g, ''));
}

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;
const MAX_ENTRIES = 10_000;

/**
 * Unpacks every entry of a ZIP archive under one byte limit before anything else does, because the sizes that an archive
 * declares may be wrong (APPNOTE 6.3.4 §4.3). Throws `too_large` or `unprocessable`.
 */
function checkArchive(buffer: Buffer, maxBytes: number): void {
  const damaged = () =>
    new KnarrError('unprocessable', 'The Word document cannot be read; its archive is damaged.');
  const end = buffer.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > buffer.length || buffer.readUInt32LE(end) !== END_OF_DIRECTORY) throw damaged();
  const entries = buffer.readUInt16LE(end + 10);
  if (entries > MAX_ENTRIES)
    throw new KnarrError('too_large', `The archive has ${entries} entries; ${MAX_ENTRIES} are the limit.`);
  let left = maxBytes;
  let at = buffer.readUInt32LE(end + 16);
  try {
    for (let entry = 0; entry < entries; entry++) {
      if (buffer.readUInt32LE(at) !== DIRECTORY_ENTRY) throw damaged();
      const packed = buffer.readUInt32LE(at + 20);
      const local = buffer.readUInt32LE(at + 42);
      const data = local + 30 + buffer.readUInt16LE(local + 26) + buffer.readUInt16LE(local + 28);
      const content = buffer.subarray(data, data + packed);
      const isDeflated = buffer.readUInt16LE(at + 10) === DEFLATED;
      left -= isDeflated
        ? inflateRawSync(content, { maxOutputLength: Math.max(1, left) }).length
        : content.length;
      if (left < 0) throw new RangeError();
      at += 46 + buffer.readUInt16LE(at + 28) + buffer.readUInt16LE(at + 30) + buffer.readUInt16LE(at + 32);
    }
  } catch (thrown) {
    const isBomb = (thrown as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE' || left < 0;
    if (isBomb)
      throw new KnarrError('too_large', `The Word document unpacks to more than ${maxBytes} bytes.`);
    throw thrown instanceof KnarrError ? thrown : damaged();
  }
}
