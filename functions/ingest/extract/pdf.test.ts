import { describe, expect, test } from 'vitest';
import { type PdfLine, pdfFile, pdfOf, pdfStream, wrap } from '../../../test/support/pdf.ts';
import type { Extracted } from './extracted.ts';
import { extractPdf } from './pdf.ts';

const read = (pages: readonly (readonly PdfLine[])[], info = {}) => extractPdf(pdfOf(pages, info), LIMITS);
const LIMITS = { maxPages: 20, maxExpandedBytes: 1 };
const blocksOf = ({ text, blocks }: Extracted) =>
  blocks.map(({ kind, level, start, end }) => [level ?? kind, text.slice(start, end)]);
const lines = (...texts: string[]): PdfLine[] => texts.map((text) => ({ text }));

const LONG =
  'The knarr was a Norse merchant ship. It was built for long voyages on the open sea and carried timber, wool and fish. ' +
  'Its crew was small, because it relied on its sail. No other ship of its time carried as much over such a distance.';

describe('structure', () => {
  test('tall lines are headings by their size, and go over several lines', async () => {
    const page: PdfLine[] = [
      { text: 'The ships of the', size: 24 },
      { text: 'Vikings', size: 24 },
      ...wrap(LONG, 60).map((text) => ({ text })),
      { text: 'Cargo', size: 16, step: 30 },
      ...lines('They carried wool.', 'And timber.'),
      { text: 'Timber', size: 12, step: 30 },
      ...lines('It came from Norway.'),
      { text: 'Crew', size: 16, step: 30 },
      ...lines('It was small.'),
    ];
    const extracted = await read([page]);
    expect(blocksOf(extracted)).toEqual([
      [1, 'The ships of the Vikings'],
      ['paragraph', LONG],
      [2, 'Cargo'],
      ['paragraph', 'They carried wool. And timber.'],
      [3, 'Timber'],
      ['paragraph', 'It came from Norway.'],
      [2, 'Crew'],
      ['paragraph', 'It was small.'],
    ]);
    expect(extracted.title).toBe('The ships of the Vikings');
  });

  test('gaps, indents and list marks begin paragraphs', async () => {
    const page: PdfLine[] = [
      ...lines('The first paragraph begins here and goes', 'on here.'),
      { text: 'The second stands below a gap and goes', step: 28 },
      ...lines('on here, too.'),
      { text: 'The third is indented.', x: 70 },
      ...lines('It goes on at the margin.', '\u0095 one item', '2. another item'),
    ];
    expect(blocksOf(await read([page])).map(([, text]) => text)).toEqual([
      'The first paragraph begins here and goes on here.',
      'The second stands below a gap and goes on here, too.',
      'The third is indented. It goes on at the margin.',
      '\u2022 one item',
      '2. another item',
    ]);
  });

  test('words divided at the end of a line are joined, hyphens of other kinds stay', async () => {
    const { text } = await read([lines('A mer-', 'chant ship of North-', 'Norway sailed 1066-', '1100.')]);
    expect(text).toBe('A merchant ship of North- Norway sailed 1066- 1100.');
  });

  test('a paragraph goes on over the page; running titles and page numbers do not interrupt it', async () => {
    const words = ['knarr', 'longship', 'ferry', 'karve'];
    const pages = words.map((word, page): PdfLine[] => [
      { text: 'Ships of the North' },
      { text: `Here a ${word} begins a sentence which goes over`, step: 20 },
      { text: `to the page after that of the ${word} and` },
      { text: `${page + 7}`, step: 400 },
    ]);
    const { text } = await read(pages);
    expect(text.match(/Ships of the North/g)).toHaveLength(1);
    expect(text).toContain('of the knarr and Here a longship begins');
    expect(text).toContain('of the ferry and Here a karve begins');
    expect(text).not.toMatch(/\d/);
  });

  test('page numbers with a total, or beside a title', async () => {
    const page = (number: number): PdfLine[] => [
      { text: `Chapter 3: Ships ${number}` },
      { text: `Text ${'abcdef'.at(number)}.`, step: 100 },
      { text: `Page ${number} of 6`, step: 100 },
    ];
    const { text } = await read([page(1), page(2), page(3), page(4)]);
    expect(text).toBe('Chapter 3: Ships 1\n\nText b.\n\nPage 1 of 6 Text c.\n\nText d.\n\nText e.');
  });

  test('lines of a form that differ in a number are content', async () => {
    const form = (number: number) => lines(`Certificate ${number}`, 'was given.', 'Signed');
    const { text } = await read([form(4711), form(815), form(1066), form(42)]);
    for (const number of [4711, 815, 1066, 42]) expect(text).toContain(`Certificate ${number}`);
  });

  test('a first line that repeats on two pages only is text', async () => {
    const { text } = await read([lines('Again.', 'One.'), lines('Again.', 'Two.')]);
    expect(text.match(/Again/g)).toHaveLength(2);
  });

  test('dots before page numbers are shortened', async () => {
    const { text } = await read([lines('Cargo . . . . . . . . . . . . . . 12', 'Crew...............13')]);
    expect(text).toBe('Cargo … 12 Crew … 13');
  });

  test('a page with more lines than a call has arguments', async () => {
    const many = Array.from({ length: 150_000 }, (_, i): PdfLine => ({ text: 'x', step: i % 2 ? 1 : -1 }));
    const { text } = await read([many]);
    expect(text.match(/x/g)).toHaveLength(150_000);
  });
});

describe('the title', () => {
  const page = [{ text: 'Heading', size: 20 }, ...lines(LONG.slice(0, 80), LONG.slice(80, 160))];
  test.each([
    ['is that of the file', 'Ships (of the North)', 'Ships (of the North)'],
    ['is the first heading when a program wrote it', 'Microsoft Word - draft7.doc', 'Heading'],
    ['is the first heading when it is empty', ' ', 'Heading'],
  ])('%s', async (_, title, expected) => {
    expect((await read([page], { title })).title).toBe(expected);
  });
});

describe('refused, with the reason', () => {
  const whole = pdfOf([wrap(LONG, 60).map((text) => ({ text }))]);
  const secret = '0'.repeat(64);
  test.each([
    [
      'not a PDF at all',
      Buffer.from('%PDF-1.7\nthis is no PDF'),
      'The PDF cannot be read. It may be damaged.',
    ],
    [
      'cut off',
      whole.subarray(0, whole.length - 60),
      'The PDF cannot be read. It is cut off: its end is missing.',
    ],
    [
      'cut off in a page',
      whole.subarray(0, 700),
      'The PDF cannot be read. It is cut off: its end is missing.',
    ],
    [
      'protected by a password',
      pdfFile(
        ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Count 0 /Kids [] >>'],
        `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${secret}> /U <${secret}> >> /ID [<${secret}> <${secret}>]`,
      ),
      'The PDF cannot be read. It is protected by a password.',
    ],
    [
      'without a page that it promises',
      pdfFile(['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Count 1 /Kids [9 0 R] >>']),
      'The PDF cannot be read. Page 1 is damaged.',
    ],
    ['a scan', pdfOf([[]]), 'The PDF has no text; scanned pages need OCR first.'],
  ])('%s', async (_, bytes, message) => {
    await expect(extractPdf(bytes, LIMITS)).rejects.toMatchObject({ code: 'unprocessable', message });
  });

  test('more pages than allowed', async () => {
    const pages = Array.from({ length: 21 }, () => lines('text'));
    await expect(read(pages)).rejects.toMatchObject({
      code: 'too_large',
      message: 'The PDF has 21 pages; 20 are the limit (KNARR_MAX_PAGES).',
    });
  });
});

test('text outside of the page is not read: nobody sees it', async () => {
  const { text } = await read([[{ text: 'seen' }, { text: 'hidden', x: 700 }]]);
  expect(text).toBe('seen');
});

test('what follows the end is ignored', async () => {
  const bytes = Buffer.concat([
    pdfOf([lines('text')]),
    Buffer.from('\n<!-- served by a proxy -->\n'.repeat(50)),
  ]);
  expect((await extractPdf(bytes, LIMITS)).text).toBe('text');
});

test('the bytes given are not used up', async () => {
  const bytes = pdfOf([lines('text')]);
  const before = Buffer.from(bytes);
  await extractPdf(bytes, LIMITS);
  expect(bytes.equals(before)).toBe(true);
});

test('a compressed stream', async () => {
  const { deflateSync } = await import('node:zlib');
  const content = deflateSync('BT /F1 10 Tf 50 700 Td (compressed) Tj ET');
  const bytes = pdfFile([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Count 1 /Kids [3 0 R] >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    pdfStream(content, '/Filter /FlateDecode'),
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ]);
  expect((await extractPdf(bytes, LIMITS)).text).toBe('compressed');
});
