import { describe, expect, test } from 'vitest';
import { docxFile, docxOf } from '../../../test/support/docx.ts';
import { zipOf } from '../../../test/support/zip.ts';
import { extractDocx } from './docx.ts';

const LIMITS = { maxPages: 1, maxExpandedBytes: 1_000_000 };

test('headings, paragraphs and tables', async () => {
  const { title, text, blocks } = await extractDocx(
    docxOf([
      { text: 'Ships of the North', style: 'Heading1' },
      { text: 'A knarr carried cargo & wool.' },
      { text: 'Crew', style: 'Heading2' },
      {
        rows: [
          ['name', 'year'],
          ['Gokstad', '900'],
        ],
      },
      { text: 'The <end>.' },
    ]),
    LIMITS,
  );
  expect(title).toBe('Ships of the North');
  expect(blocks.map(({ kind, level, start, end }) => [level ?? kind, text.slice(start, end)])).toEqual([
    [1, 'Ships of the North'],
    ['paragraph', 'A knarr carried cargo & wool.'],
    [2, 'Crew'],
    ['table', 'name | year'],
    ['table', 'Gokstad | 900'],
    ['paragraph', 'The <end>.'],
  ]);
});

test('the style Title is a heading, by its name in the styles', async () => {
  const word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
  const relation = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles';
  const bytes = docxFile(
    `<w:document ${word}><w:body><w:p><w:pPr><w:pStyle w:val="a3"/></w:pPr><w:r><w:t>Schiffe</w:t></w:r></w:p></w:body></w:document>`,
    {
      'word/styles.xml': `<w:styles ${word}><w:style w:type="paragraph" w:styleId="a3"><w:name w:val="Title"/></w:style></w:styles>`,
      'word/_rels/document.xml.rels': `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="${relation}" Target="styles.xml"/></Relationships>`,
    },
  );
  expect(await extractDocx(bytes, LIMITS)).toMatchObject({
    title: 'Schiffe',
    blocks: [{ kind: 'heading', level: 1 }],
  });
});

describe('refused, with the reason', () => {
  const whole = docxOf([{ text: 'text' }]);
  const damaged = 'The Word document cannot be read; its archive is damaged.';
  const zip64 = Buffer.from(whole);
  zip64.writeUInt16LE(0xffff, zip64.length - 18);
  test.each([
    ['no archive', Buffer.from('no archive'), damaged],
    ['cut off', whole.subarray(0, whole.length - 30), damaged],
    ['cut off at the beginning', whole.subarray(10), damaged],
    ['a directory behind the one that is read', zip64, damaged],
    ['no Word document', zipOf({ 'a.txt': 'text' }), 'The Word document cannot be read; it may be damaged.'],
    ['broken XML', docxFile('<w:document><w:body>'), 'The Word document cannot be read; it may be damaged.'],
    [
      'an old or encrypted document',
      Buffer.from('d0cf11e0a1b11ae1', 'hex'),
      'The Word document cannot be read. It is protected by a password, or in the format of Word 2003 and before.',
    ],
  ])('%s', async (_, bytes, message) => {
    await expect(extractDocx(bytes, LIMITS)).rejects.toMatchObject({ code: 'unprocessable', message });
  });

  test.each([
    ['what unpacks to too much', docxFile('x'.repeat(1_000_001))],
    ['what says that it unpacks to little', docxFile({ content: 'x'.repeat(1_000_001), size: 10 })],
    ['many parts that unpack to too much', docxFile('x', { a: 'x'.repeat(600_000), b: 'x'.repeat(600_000) })],
    ['what is stored without compression', docxFile({ content: 'x'.repeat(1_000_001), method: 0 })],
  ])('%s', async (_, bytes) => {
    await expect(extractDocx(bytes, LIMITS)).rejects.toMatchObject({
      code: 'too_large',
      message: 'The Word document unpacks to more than 1000000 bytes (KNARR_MAX_EXPANDED_BYTES).',
    });
  });

  test('too many entries', async () => {
    const entries = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`${i}`, '']));
    await expect(extractDocx(zipOf(entries), LIMITS)).rejects.toMatchObject({
      code: 'too_large',
      message: 'The archive has 10001 entries; 10000 are the limit.',
    });
  });
});
