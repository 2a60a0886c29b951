import { deflateSync, gzipSync } from 'node:zlib';
import type { ParserCase } from './case.ts';

const PLAIN = 'text/plain';
const WORDS = 'The knarr carried timber, wool and fish over the North Atlantic. ';
/** The same bytes each time, none of them NUL. */
const noise = (length: number) =>
  Buffer.from(Array.from({ length }, (_, i) => 1 + ((Math.imul(i + 1, 2654435761) >>> 13) % 255)));
const noText = { code: 'unprocessable' as const, message: 'The document has no text.' };
const binary = { code: 'unprocessable' as const, message: 'The document is binary, not text.' };
const tooLong = { code: 'too_large' as const, message: /^The document has more than \d+ tokens/ };

export const TEXT_CASES: ParserCase[] = [
  { name: 'an empty file', make: () => Buffer.alloc(0), answer: noText },
  { name: 'white space alone', make: () => Buffer.from(' \t\r\n\u00a0\u3000\ufeff\u200b'), answer: noText },
  {
    name: '5,000,000 blank lines',
    make: () => Buffer.from(`${'\n'.repeat(5_000_000)}A ship.`),
    answer: { text: 'A ship.' },
  },
  { name: '10 MB of words on one line', make: () => Buffer.from(WORDS.repeat(160_000)), answer: tooLong },
  {
    name: '10 MB without a space on one line',
    make: () => Buffer.alloc(10_000_000, 'x'),
    answer: { text: 'x'.repeat(10_000_000) },
  },
  {
    name: 'a million tokens in paragraphs',
    make: () => Buffer.from(`${WORDS}\n\n`.repeat(80_000)),
    answer: tooLong,
  },
  {
    name: 'as many tokens as are allowed',
    make: () => Buffer.from(WORDS.repeat(3_000)),
    answer: { text: WORDS.repeat(3_000) },
  },
  {
    name: '20,000 paragraphs of one letter',
    make: () => Buffer.from('a\n\n'.repeat(20_000)),
    answer: { text: 'a'.repeat(20_000) },
  },
  {
    name: 'a letter under 500,000 accents',
    make: () => Buffer.from(`a${'\u0301'.repeat(500_000)}`),
    answer: { text: `a${'\u0301'.repeat(500_000)}` },
  },
  {
    name: 'sentences of one letter and of 20,000',
    make: () => Buffer.from(`${'A. '.repeat(10_000)}${'b'.repeat(20_000)}! C`),
    answer: { text: `${'A.'.repeat(10_000)}${'b'.repeat(20_000)}! C` },
  },
  {
    name: 'invalid UTF-8 that is declared as UTF-8',
    mediaType: 'text/plain; charset=utf-8',
    make: () => Buffer.from([0x61, 0xff, 0xfe, 0xc3, 0x28]),
    answer: { code: 'unprocessable', message: 'The document is declared as utf-8 but is not valid utf-8.' },
  },
  {
    name: 'invalid UTF-8 without a declaration: it is Latin-1',
    make: () => Buffer.from('Gr\xf6\xdfe, na\xefve, caf\xe9', 'latin1'),
    answer: { text: 'Größe, naïve, café' },
  },
  {
    name: 'a charset that nobody knows',
    mediaType: 'text/plain; charset=klingon',
    make: () => Buffer.from('nuqneH'),
    answer: { code: 'unprocessable', message: 'The charset klingon is not known.' },
  },
  {
    name: 'UTF-16 with half a surrogate pair and half a character',
    make: () => Buffer.from([0xff, 0xfe, 0x61, 0, 0x3d, 0xd8, 0x62, 0, 0x63]),
    answer: { contains: ['a\ufffdb'] },
  },
  { name: 'random bytes as text', make: () => noise(100_000), answer: binary },
  { name: 'NUL characters in text', make: () => Buffer.from('a ship\0and more'), answer: binary },
  {
    name: 'a PNG picture as text',
    make: () =>
      Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), deflateSync(noise(5000))]),
    answer: binary,
  },
  {
    name: 'a gzip bomb as text',
    make: () => gzipSync(Buffer.alloc(10_000_000)),
    answer: { code: 'unprocessable', message: 'The content is compressed with gzip, not text.' },
  },
  {
    name: 'a PDF as text',
    make: () => Buffer.from('%PDF-1.4\n%%EOF'),
    answer: { code: 'unprocessable', message: 'The content is a PDF, not text.' },
  },
  ...['application/zip', 'image/png', 'text/css', '__proto__', 'constructor', ''].map((mediaType) => ({
    name: `the media type "${mediaType}"`,
    mediaType,
    make: () => Buffer.from('text'),
    answer: {
      code: 'unsupported_media_type' as const,
      message: `Documents of type ${mediaType} cannot be read.`,
    },
  })),
].map((given): ParserCase => ({ mediaType: PLAIN, ...(given as Omit<ParserCase, 'mediaType'>) }));
