import chardet from 'chardet';
import iconv from 'iconv-lite';
import { KnarrError } from '../../_shared/errors.ts';

/** Bytes that charset detection looks at, from a little before the first that is not ASCII. */
const SAMPLE_BYTES = 64 * 1024;
const BEFORE_SAMPLE = 1024;
/** Of fewer bytes that are not ASCII detection only guesses, unless it is this sure (percent). */
const FEW_BYTES = 8;
const SURE = 40;
/** A declared charset fits while no larger share of the characters is undecodable: one bad byte spoils no page. */
const UNDECODABLE_SHARE = 0.01;
/** Text has fewer control characters than this, random bytes have more. */
const CONTROL_SHARE = 0.05;
/** What these labels mean by the WHATWG Encoding Standard, other than by their names. */
const LABELS: Record<string, string> = {
  ascii: 'windows-1252',
  'us-ascii': 'windows-1252',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  'iso-8859-9': 'windows-1254',
  'iso-8859-11': 'windows-874',
};

/** What is said about a text's charset: by its sender in the media type, and by the beginning of the document itself. */
export interface Declared {
  sender?: string | undefined;
  content?: string | undefined;
}

/**
 * Text from bytes: by byte order mark, else by a declared charset that fits, else as UTF-8 when it is valid, else by
 * detection. Bytes that do not fit become U+FFFD. Throws `unprocessable` when the sender's charset is unknown or does
 * not fit, and for binary content.
 */
export function decodeText(bytes: Uint8Array, { sender, content }: Declared = {}): string {
  const mark = markOf(bytes);
  if (mark) return refuseBinary(decode(bytes, mark));
  if (sender !== undefined) {
    if (!isKnown(sender))
      throw new KnarrError('unprocessable', `The charset ${sender.slice(0, 40)} is not known.`);
    const text = decodeFitting(bytes, sender);
    if (text !== undefined) return refuseBinary(text);
    throw new KnarrError(
      'unprocessable',
      `The document is declared as ${sender} but is not valid ${sender}.`,
    );
  }
  const declared = content !== undefined && isKnown(content) ? decodeFitting(bytes, content) : undefined;
  return refuseBinary(declared ?? validUtf8(bytes) ?? decode(bytes, detect(bytes)));
}

/** The charsets that a media type and the beginning of an HTML or XML document declare. */
export function declaredCharset(mediaType: string, bytes: Uint8Array): Declared {
  const sender = /charset="?([\w.:-]+)/i.exec(mediaType)?.[1];
  if (!/html|xml/i.test(mediaType)) return { sender };
  const head = Buffer.from(bytes.subarray(0, 1024)).toString('latin1');
  const content =
    /<meta[^>]+charset\s*=\s*["']?([\w.:-]+)/i.exec(head)?.[1] ??
    /<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)/i.exec(head)?.[1];
  // A declaration that could be read byte by byte is not in UTF-16.
  return { sender, content: content?.replace(/^utf-?16(le|be)?$/i, 'utf-8') };
}

function markOf(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? 'utf-32le' : 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'utf-32be';
  return undefined;
}

const labelOf = (charset: string): string => LABELS[charset.toLowerCase()] ?? charset.toLowerCase();

function isKnown(charset: string): boolean {
  return iconv.encodingExists(labelOf(charset)) || decoderOf(charset) !== undefined;
}

/** The platform's decoder, for the few charsets that iconv-lite lacks (ISO-2022-JP). */
function decoderOf(charset: string) {
  try {
    return new TextDecoder(charset);
  } catch {
    return undefined;
  }
}

function decode(bytes: Uint8Array, charset: string): string {
  const label = labelOf(charset);
  if (/^utf-?8$/.test(label)) return new TextDecoder().decode(bytes);
  if (!iconv.encodingExists(label)) return decoderOf(label)?.decode(bytes) ?? '';
  return iconv.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), label);
}

function decodeFitting(bytes: Uint8Array, charset: string): string | undefined {
  const text = decode(bytes, charset);
  if (undecodableIn(text) <= text.length * UNDECODABLE_SHARE) return text;
  // The text may have had replacement characters before.
  return /^utf-?8$/.test(labelOf(charset)) ? validUtf8(bytes) : undefined;
}

const undecodableIn = (text: string): number => text.match(/\ufffd/g)?.length ?? 0;

function validUtf8(bytes: Uint8Array): string | undefined {
  if (unmarkedUtf16(bytes)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function detect(bytes: Uint8Array): string {
  const utf16 = unmarkedUtf16(bytes);
  if (utf16) return utf16;
  if (isAlmostUtf8(bytes)) return 'utf-8';
  const first = bytes.findIndex(isForeign);
  const start = Math.max(0, first - BEFORE_SAMPLE);
  const sample = bytes.subarray(start, start + SAMPLE_BYTES);
  const [best] = chardet.analyse(sample);
  const isGuess = (best?.confidence ?? 0) < SURE && sample.filter(isForeign).length < FEW_BYTES;
  return best && !isGuess && isKnown(best.name) ? best.name : 'windows-1252';
}

const isForeign = (byte: number) => byte > 0x7f;

/** Most of what is not ASCII is valid UTF-8, which does not happen by chance. */
function isAlmostUtf8(bytes: Uint8Array): boolean {
  const text = decode(bytes, 'utf-8');
  const foreign = text.match(/[^\u0000-\u007f]/gu)?.length ?? 0;
  return undecodableIn(text) * 10 < foreign;
}

/** Western text in UTF-16 has a NUL in almost every other byte, and hardly one elsewhere. */
function unmarkedUtf16(bytes: Uint8Array): string | undefined {
  const pairs = Math.floor(Math.min(bytes.length, 4096) / 2);
  const nuls = [0, 0];
  for (let at = 0; at < pairs * 2; at++) if (bytes[at] === 0) nuls[at % 2] = (nuls[at % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = nuls;
  if (odd > pairs * 0.5 && even < pairs * 0.05) return 'utf-16le';
  if (even > pairs * 0.5 && odd < pairs * 0.05) return 'utf-16be';
  return undefined;
}

function refuseBinary(text: string): string {
  const controls = text.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/g)?.length ?? 0;
  if (!text.includes('\0') && controls <= text.length * CONTROL_SHARE) return text;
  throw new KnarrError('unprocessable', 'The document is binary, not text.');
}
