import chardet from 'chardet';
import iconv from 'iconv-lite';
import { KnarrError } from '../../_shared/errors.ts';

/** Bytes that charset detection looks at. */
const SAMPLE_BYTES = 64 * 1024;

/**
 * Text from bytes: by byte order mark, else by the declared charset, else as UTF-8 when it is valid, else by detection.
 * Throws `unprocessable` when the declared charset is unknown or does not fit, and for binary content.
 */
export function decodeText(bytes: Uint8Array, declared: string | undefined): string {
  const mark = markOf(bytes);
  const charset = mark ?? declared?.toLowerCase();
  if (charset !== undefined && !isKnown(charset)) {
    throw new KnarrError('unprocessable', `The charset ${charset.slice(0, 40)} is not known.`);
  }
  if (charset === undefined || /^utf-?8$/.test(charset)) {
    const text = utf8(bytes);
    if (text !== undefined) return refuseBinary(text);
    if (charset !== undefined)
      throw new KnarrError('unprocessable', 'The document is declared as UTF-8 but is not valid UTF-8.');
  }
  const found = charset ?? chardet.detect(bytes.subarray(0, SAMPLE_BYTES)) ?? 'windows-1252';
  if (!isKnown(found))
    throw new KnarrError('unprocessable', `The text is in ${found}, which cannot be read.`);
  return refuseBinary(iconv.decode(Buffer.from(bytes), found));
}

// iconv-lite's own signature narrows the string away.
const isKnown = (charset: string): boolean => iconv.encodingExists(charset);

function markOf(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return undefined;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function refuseBinary(text: string): string {
  if (!text.includes('\0')) return text;
  throw new KnarrError('unprocessable', 'The document has NUL characters: it is binary, not text.');
}

/** The charset that a media type or the beginning of an HTML or XML document declares. */
export function declaredCharset(mediaType: string, bytes: Uint8Array): string | undefined {
  const parameter = /charset="?([\w.:-]+)/i.exec(mediaType)?.[1];
  if (parameter || !/html|xml/i.test(mediaType)) return parameter;
  const head = Buffer.from(bytes.subarray(0, 1024)).toString('latin1');
  return (
    /<meta[^>]+charset=["']?([\w.:-]+)/i.exec(head)?.[1] ??
    /<\?xml[^>]+encoding=["']([\w.:-]+)/i.exec(head)?.[1]
  );
}
