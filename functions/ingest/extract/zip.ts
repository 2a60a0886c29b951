import { inflateRawSync } from 'node:zlib';
import { KnarrError } from '../../_shared/errors.ts';

const END_OF_DIRECTORY = 'PK\x05\x06';
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;
const MAX_ENTRIES = 10_000;

const damaged = () =>
  new KnarrError('unprocessable', 'The Word document cannot be read; its archive is damaged.');

/**
 * Unpacks every entry of a ZIP archive under one byte limit before anything else does, because the sizes that an archive
 * declares may be wrong (APPNOTE 6.3.4 §4.3). Throws `too_large` or `unprocessable`.
 */
export function checkArchive(archive: Buffer, maxBytes: number): void {
  let left = maxBytes;
  try {
    for (const { packed, isDeflated } of entriesOf(archive)) {
      left -= isDeflated ? inflateRawSync(packed, { maxOutputLength: left + 1 }).length : packed.length;
      if (left < 0) throw new KnarrError('too_large', tooLarge(maxBytes));
    }
  } catch (thrown) {
    if (thrown instanceof KnarrError) throw thrown;
    if ((thrown as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new KnarrError('too_large', tooLarge(maxBytes));
    throw damaged();
  }
}

const tooLarge = (bytes: number) =>
  `The Word document unpacks to more than ${bytes} bytes (KNARR_MAX_EXPANDED_BYTES).`;

function* entriesOf(archive: Buffer): Generator<{ packed: Buffer; isDeflated: boolean }> {
  const end = archive.lastIndexOf(Buffer.from(END_OF_DIRECTORY, 'latin1'));
  if (end < 0) throw damaged();
  const entries = archive.readUInt16LE(end + 10);
  // Several parts, or a second directory (ZIP64), which other readers would believe instead of this one.
  const isPlain =
    archive.readUInt32LE(end + 4) === 0 &&
    archive.readUInt16LE(end + 8) === entries &&
    archive.readUInt32LE(end + 12) !== 0xffffffff;
  if (!isPlain) throw damaged();
  if (entries > MAX_ENTRIES)
    throw new KnarrError('too_large', `The archive has ${entries} entries; ${MAX_ENTRIES} are the limit.`);
  let at = archive.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries; entry++) {
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) throw damaged();
    const bytes = archive.readUInt32LE(at + 20);
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    if (start + bytes > archive.length) throw damaged();
    yield {
      packed: archive.subarray(start, start + bytes),
      isDeflated: archive.readUInt16LE(at + 10) === DEFLATED,
    };
    at += 46 + archive.readUInt16LE(at + 28) + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
}
