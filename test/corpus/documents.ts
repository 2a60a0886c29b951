import { deflateSync } from 'node:zlib';
import { docxFile } from '../support/docx.ts';
import { pdfFile, pdfOf, pdfStream } from '../support/pdf.ts';

export interface BadDocument {
  name: string;
  type: string;
  content: string | Uint8Array;
  /** Code of its error and a part of the message; or a part of its text, where it can be read after all. */
  ends: { code: string; says: string } | { finds: string };
}

const MIB = 1024 * 1024;
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const PDF = 'application/pdf';
const spaces = (bytes: number) => ' '.repeat(bytes);
const latin1 = (text: string) => Buffer.from(text, 'latin1');
const ship = pdfOf([[{ text: 'A knarr is a ship.' }]]);
/** A page of 200 MiB in 200 KiB. */
const pageBomb = pdfFile([
  '<< /Type /Catalog /Pages 2 0 R >>',
  '<< /Type /Pages /Count 1 /Kids [3 0 R] >>',
  '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>',
  pdfStream(deflateSync(Buffer.alloc(200 * MIB, ' '), { level: 1 }), '/Filter /FlateDecode'),
]);

const fails = (name: string, type: string, content: BadDocument['content'], says: string): BadDocument => ({
  name,
  type,
  content,
  ends: { code: 'unprocessable', says },
});
const tooLarge = (
  name: string,
  type: string,
  content: BadDocument['content'],
  says: string,
): BadDocument => ({
  name,
  type,
  content,
  ends: { code: 'too_large', says },
});
const reads = (name: string, type: string, content: BadDocument['content'], finds: string): BadDocument => ({
  name,
  type,
  content,
  ends: { finds },
});
const UNPACKED = 'unpacks to more than 33554432 bytes';
const TOKENS = 'more than 500000 tokens';

/** Documents that can be told from good ones only by reading them; an archive may unpack to 32 MiB. */
export const DOCUMENTS: readonly BadDocument[] = [
  fails('a PDF that is none', PDF, '%PDF-1.7\nthis is no PDF', 'The PDF cannot be read'),
  fails(
    'a PDF of other bytes',
    PDF,
    new Uint8Array(5000).map((_, n) => (n * 7919) % 251),
    'The PDF cannot be read',
  ),
  fails('a PDF without text', PDF, pdfOf([[]]), 'The PDF has no text'),
  fails('a PDF cut in half', PDF, ship.subarray(0, ship.length / 2), 'The PDF cannot be read'),
  fails('a PDF that unpacks to 200 MiB', PDF, pageBomb, 'PDF'),
  tooLarge('a zip bomb in a Word document', DOCX, docxFile(spaces(64 * MIB)), UNPACKED),
  tooLarge(
    'a zip bomb that says it is small',
    DOCX,
    docxFile({ content: spaces(64 * MIB), size: 10 }),
    UNPACKED,
  ),
  fails('a Word document that is none', DOCX, 'PK\x03\x04 hello', 'The Word document cannot be read'),

  fails(
    'text declared as UTF-8 that is not',
    'text/plain; charset=utf-8',
    latin1('caf\xe9'),
    'is not valid utf-8',
  ),
  reads(
    'the same without a charset',
    'text/plain',
    latin1('Le caf\xe9 est sur le quai, tr\xe8s loin de la mer.'),
    'café',
  ),
  fails('a charset nobody knows', 'text/plain; charset=klingon', 'text', 'charset klingon is not known'),
  fails('bytes that are no text', 'text/plain', new Uint8Array(1000), 'binary'),
  fails('white space', 'text/plain', ' \n\t\n ', 'no text'),
  fails('invisible characters', 'text/plain', '\u200b\u202e\ufeff\u00ad', 'no text'),
  tooLarge('a document of a million tokens', 'text/plain', 'word '.repeat(1_000_000), TOKENS),
  tooLarge('10 MB of words on a single line', 'text/plain', 'Longships sail. '.repeat(625_000), TOKENS),
  reads('1 MB on a single line without a space', 'text/plain', `Keelson${'x'.repeat(1_000_000)}`, 'Keelson'),

  fails(
    'HTML of 200,000 levels',
    'text/html',
    `${'<div>'.repeat(200_000)}Deepest of seas`,
    'nests more than',
  ),
  reads(
    'Markdown of 20,000 levels',
    'text/markdown',
    `${'> '.repeat(20_000)}Quoted without end`,
    'Quoted without end',
  ),
  reads(
    'HTML that never ends',
    'text/html',
    '<html><body><p>Unfinished business <a href="',
    'Unfinished business',
  ),
  reads(
    'HTML with scripts',
    'text/html',
    '<script>alert(1)</script><p>Harmless harbour</p>',
    'Harmless harbour',
  ),
];
