import { describe, expect, test } from 'vitest';
import { docxOf } from '../../../test/support/docx.ts';
import { pdfOf } from '../../../test/support/pdf.ts';
import { extract } from './extract.ts';

const LIMITS = { maxPages: 10, maxExpandedBytes: 1_000_000 };
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const read = (content: string | Uint8Array, mediaType: string) =>
  extract(Buffer.from(content), mediaType, LIMITS);

test.each([
  ['text/plain', 'A ship.\n\nIts cargo.'],
  ['text/markdown', '**A** ship.\n\nIts cargo.'],
  ['text/html', '<p>A ship.<p>Its cargo.'],
  ['application/xhtml+xml', '<html><body><p>A ship.</p><p>Its cargo.</p></body></html>'],
  ['application/pdf', pdfOf([[{ text: 'A ship.' }, { text: 'Its cargo.', step: 40 }, { text: '' }]])],
  [DOCX, docxOf([{ text: 'A ship.' }, { text: 'Its cargo.' }])],
])('%s', async (mediaType, content) => {
  const { text, blocks } = await read(content, mediaType);
  expect(text).toBe('A ship.\n\nIts cargo.');
  expect(blocks.map(({ start, end }) => text.slice(start, end))).toEqual(['A ship.', 'Its cargo.']);
});

test('case and parameters of the media type do not matter', async () => {
  expect((await read('a', ' Text/PLAIN ; charset=UTF-8; x=1')).text).toBe('a');
});

test('plain text: blank lines with white space separate paragraphs too', async () => {
  const { text, blocks } = await read('  one\r\ntwo\n \t\n\n\nthree  \n', 'text/plain');
  expect(text).toBe('one\ntwo\n\nthree');
  expect(blocks.map(({ kind, start, end }) => [kind, start, end])).toEqual([
    ['paragraph', 0, 7],
    ['paragraph', 9, 14],
  ]);
});

describe('refused', () => {
  test.each(['application/zip', 'image/png', 'text/css', '', '__proto__', 'constructor', 'toString'])(
    'the media type %j',
    async (mediaType) => {
      await expect(read('text', mediaType)).rejects.toMatchObject({
        code: 'unsupported_media_type',
        message: `Documents of type ${mediaType.toLowerCase()} cannot be read.`,
      });
    },
  );

  test.each([
    ['text/plain', ''],
    ['text/plain', ' \n\t\u200b\ufeff '],
    ['text/markdown', '---\ntitle: only that\n---\n'],
    ['text/html', '<html><head><title>only that</title></head><body><script>x</script></body></html>'],
    [DOCX, docxOf([])],
  ])('%s without text: %j', async (mediaType, content) => {
    await expect(read(content, mediaType)).rejects.toMatchObject({
      code: 'unprocessable',
      message: 'The document has no text.',
    });
  });

  test.each([
    ['a PDF', pdfOf([[{ text: 'a' }]])],
    ['a ZIP archive (as DOCX is)', docxOf([{ text: 'a' }])],
    ['an old Office document', Buffer.from('d0cf11e0a1b11ae1', 'hex')],
    ['compressed with gzip', Buffer.from('1f8b0800', 'hex')],
  ])('%s sent as text', async (what, bytes) => {
    for (const mediaType of ['text/plain', 'text/html', 'text/markdown']) {
      await expect(read(bytes, mediaType)).rejects.toMatchObject({
        code: 'unprocessable',
        message: `The content is ${what}, not text.`,
      });
    }
  });
});

test('white space without end does not take time without end', async () => {
  const { text } = await read(`a${' '.repeat(2_000_000)}b\n${' '.repeat(2_000_000)}`, 'text/plain');
  expect(text).toHaveLength(2_000_002);
});
