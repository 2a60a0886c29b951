import { crc32, deflateRawSync } from 'node:zlib';

/** What a ZIP entry says of itself where it does not tell the truth. */
export interface ZipEntry {
  content: string | Uint8Array;
  /** Declared length when unpacked; default the real one. */
  size?: number;
  /** 8 deflated (default), 0 stored; others have no meaning here. */
  method?: number;
}

/** A ZIP archive of small files (APPNOTE 6.3.4, no ZIP64). */
export function zipOf(files: Record<string, string | Uint8Array | ZipEntry>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, file] of Object.entries(files)) {
    const entry = typeof file === 'string' || file instanceof Uint8Array ? { content: file } : file;
    const content = Buffer.from(entry.content);
    const packed = entry.method === 0 ? content : deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(entry.method ?? 8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(entry.size ?? content.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(locals.length, 8);
  end.writeUInt16LE(locals.length, 10);
  end.writeUInt32LE(
    directory.reduce((sum, entry) => sum + entry.length, 0),
    12,
  );
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

/** An archive whose `count` entries all have the same compressed megabytes (or less) of spaces for their content. */
export function overlappingZip(count: number, bytes: number): Buffer {
  const one = zipOf({ a: ' '.repeat(bytes) });
  const end = one.subarray(-22);
  const start = end.readUInt32LE(16);
  const entry = one.subarray(start, one.length - 22);
  const directory = Buffer.concat(Array.from({ length: count }, () => entry));
  const tail = Buffer.from(end);
  tail.writeUInt16LE(count, 8);
  tail.writeUInt16LE(count, 10);
  tail.writeUInt32LE(directory.length, 12);
  return Buffer.concat([one.subarray(0, start), directory, tail]);
}
