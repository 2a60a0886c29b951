import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import {
  ACCEPTED,
  accepted,
  binary,
  type CorpusCase,
  type CorpusRequest,
  DATA,
  OVER_64_KIB,
  refused,
  STRUCTURED,
  structured,
  TYPE,
  UNSUPPORTED,
  withHeaders,
} from './case.ts';

const KIB = 1024;
const EVENT = JSON.stringify({ specversion: '1.0', id: '1', source: '/corpus', type: TYPE, data: DATA });
/** The valid event in exactly so many bytes. */
const sized = (bytes: number) => structured(EVENT.padEnd(bytes, ' '));
const compressed = (body: Uint8Array, encoding: string): CorpusRequest =>
  withHeaders(structured(new Uint8Array(body)), ['content-encoding', encoding]);
const event = Buffer.from(EVENT);
const wrongChecksum = gzipSync(event);
wrongChecksum.fill(0, wrongChecksum.length - 8, wrongChecksum.length - 4);
/** 32 MiB that pack into 32 KiB. */
const bomb = Buffer.alloc(32 * KIB * KIB, ' ');

const tooLarge = (name: string, request: CorpusRequest): CorpusCase => ({
  name,
  request,
  expect: { status: 413, says: 'larger than' },
});
const raw = (name: string, text: string, status: number, says?: string): CorpusCase => ({
  name,
  request: { raw: text },
  expect: { status, ...(says !== undefined && { says }) },
});
/** A structured event with these header lines instead of its length. */
const framed = (lines: string, body = EVENT) =>
  `POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: ${STRUCTURED}\r\n${lines}\r\n\r\n${body}`;
const NOT_HTTP = 'not valid HTTP';

/** Sizes, compression and framing; requests that are no HTTP; other methods and paths. */
export const TRANSPORT: readonly CorpusCase[] = [
  accepted('exactly 64 KiB', sized(64 * KIB)),
  {
    name: '64 KiB and a byte',
    request: sized(64 * KIB + 1),
    expect: { status: OVER_64_KIB, says: 'larger than' },
  },
  { name: 'exactly 1 MiB', request: sized(KIB * KIB), expect: { status: OVER_64_KIB, says: 'larger than' } },
  tooLarge('1 MiB and a byte', sized(KIB * KIB + 1)),
  tooLarge('8 MiB', sized(8 * KIB * KIB)),
  tooLarge('8 MiB in chunks', { ...sized(8 * KIB * KIB), framing: 'chunked' }),
  tooLarge('a binary event of 2 MiB', binary({}, { body: `"${'a'.repeat(2 * KIB * KIB)}"` })),
  raw('a length that is promised and too much', framed('Content-Length: 99999999'), 413, 'larger than'),
  raw('a length of 30 digits', framed(`Content-Length: ${'9'.repeat(30)}`), 400, NOT_HTTP),
  accepted('in chunks', { ...structured(), framing: 'chunked' }),
  accepted('exactly 64 KiB in chunks', { ...sized(64 * KIB), framing: 'chunked' }),

  accepted('gzip', compressed(gzipSync(event), 'gzip')),
  accepted('gzip by its old name, in capitals', compressed(gzipSync(event), 'X-GZIP')),
  accepted('deflate', compressed(deflateSync(event), 'deflate')),
  accepted('brotli', compressed(brotliCompressSync(event), 'br')),
  accepted('identity', compressed(event, 'identity')),
  accepted('an empty content-encoding', compressed(event, '')),
  tooLarge('a gzip bomb', compressed(gzipSync(bomb), 'gzip')),
  tooLarge('a deflate bomb', compressed(deflateSync(bomb), 'deflate')),
  tooLarge(
    'a brotli bomb',
    compressed(brotliCompressSync(bomb, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }), 'br'),
  ),
  tooLarge('a gzip bomb in chunks', { ...compressed(gzipSync(bomb), 'gzip'), framing: 'chunked' }),
  refused('gzip that is none', compressed(event, 'gzip'), 'not valid gzip'),
  refused('gzip cut short', compressed(gzipSync(event).subarray(0, -9), 'gzip'), 'not valid gzip'),
  refused('gzip with a wrong checksum', compressed(wrongChecksum, 'gzip'), 'not valid gzip'),
  refused('gzip of nothing', compressed(gzipSync(''), 'gzip'), 'not valid JSON'),
  refused('nothing as gzip', compressed(new Uint8Array(), 'gzip'), 'not valid'),
  refused('deflate that is none', compressed(event, 'deflate'), 'not valid deflate'),
  refused('brotli that is none', compressed(event, 'br'), 'not valid br'),
  ...['zip', 'compress', 'zstd', 'gzip, gzip', 'identity, gzip', '*', '__proto__', 'constructor'].map(
    (encoding): CorpusCase => ({
      name: `the content encoding ${encoding}`,
      request: compressed(event, encoding),
      expect: { status: UNSUPPORTED, says: 'is not supported' },
    }),
  ),

  ...['-1', 'abc', '1e3', '0x10', '+5', '1 2', '1.5'].map((length) =>
    raw(`the length ${length}`, framed(`Content-Length: ${length}`), 400, NOT_HTTP),
  ),
  raw('two lengths', framed('Content-Length: 5\r\nContent-Length: 6'), 400, NOT_HTTP),
  raw(
    'a length and chunks',
    framed('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    400,
    NOT_HTTP,
  ),
  raw('a transfer encoding nobody knows', framed('Transfer-Encoding: gzip'), 400, NOT_HTTP),
  raw('a chunk of no size', framed('Transfer-Encoding: chunked', 'zz\r\n{}\r\n0\r\n\r\n'), 400, NOT_HTTP),
  raw('a chunk without its end', framed('Transfer-Encoding: chunked', '2\r\n{}xx0\r\n\r\n'), 400, NOT_HTTP),
  raw(
    'a chunk of a size beyond numbers',
    framed('Transfer-Encoding: chunked', `${'f'.repeat(17)}\r\n`),
    400,
    NOT_HTTP,
  ),
  raw(
    'a chunk with endless extensions',
    framed('Transfer-Encoding: chunked', `1;${'a'.repeat(20_000)}`),
    413,
    NOT_HTTP,
  ),
  {
    name: 'a body shorter than its length',
    request: { raw: framed('Content-Length: 20', '{"id":"1"}'), ends: true },
    expect: { status: 400, says: NOT_HTTP },
  },
  raw('a body longer than its length', framed('Content-Length: 10'), 400, ''),

  raw('no HTTP at all', 'hello\r\n\r\n', 400, NOT_HTTP),
  raw('the beginning of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400, NOT_HTTP),
  raw('HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, NOT_HTTP),
  raw('HTTP/9.9', 'POST {path} HTTP/9.9\r\nHost: {host}\r\n\r\n', 400, NOT_HTTP),
  raw('HTTP/0.9', 'GET {path}\r\n\r\n', 400, 'no Host'),
  raw('a method that is none', 'PO ST {path} HTTP/1.1\r\nHost: {host}\r\n\r\n', 400, NOT_HTTP),
  raw('a method in lower case', 'post {path} HTTP/1.1\r\nHost: {host}\r\n\r\n', 400, NOT_HTTP),
  raw('no Host', 'POST {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n', 400, 'no Host'),
  raw('a header without a colon', framed('Nonsense'), 400, NOT_HTTP),
  raw('a header without a name', framed(': value'), 400, NOT_HTTP),
  raw('a space in a header name', framed('ce id: 1'), 400, NOT_HTTP),
  raw('a space before the colon', framed('ce-id : 1'), 400, NOT_HTTP),
  raw('a header name outside ASCII', framed('ce-\xfc: 1'), 400, NOT_HTTP),
  raw('NUL in a header', framed('ce-id: a\x00b'), 400, NOT_HTTP),
  raw('a control character in a header', framed('ce-id: a\x01b'), 400, NOT_HTTP),
  raw('a carriage return in a header', framed('ce-id: a\rb'), 400, NOT_HTTP),
  raw('a header line that is folded', framed('ce-id: a\r\n b'), 400, NOT_HTTP),
  raw('a header of 20,000 bytes', framed(`ce-subject: ${'a'.repeat(20_000)}`), 431, 'header fields'),
  raw(
    '3,000 headers',
    framed(Array.from({ length: 3000 }, (_, n) => `ce-x${n}: ${n}`).join('\r\n')),
    431,
    'header fields',
  ),
  raw(
    'a path of 20,000 bytes',
    `POST /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: {host}\r\n\r\n`,
    431,
    'header fields',
  ),
  raw('an expectation nobody can meet', framed('Content-Length: 0\r\nExpect: miracles', ''), 417),
  {
    name: 'HTTP/1.0',
    request: {
      raw: `POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: ${STRUCTURED}\r\nContent-Length: ${event.length}\r\n\r\n${EVENT}`,
    },
    expect: { status: ACCEPTED },
  },
  {
    name: 'an Expect of 100-continue',
    request: { raw: framed(`Expect: 100-continue\r\nContent-Length: ${event.length}`) },
    expect: { status: ACCEPTED },
  },

  ...['GET', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'].map(
    (method): CorpusCase => ({
      name: method,
      request: { ...structured(), method },
      expect: { status: 405, says: 'allowed here' },
    }),
  ),
  ...[
    '/%zz',
    '/%',
    '/%00',
    '/%FF',
    '//',
    '/../../etc/passwd',
    '/a'.repeat(2000),
    '/nowhere',
    '/default/%64efaul',
  ].map(
    (path): CorpusCase => ({
      name: `the path ${path.slice(0, 24)}`,
      request: { ...structured(), path },
      expect: { status: 404, says: '' },
    }),
  ),
];
