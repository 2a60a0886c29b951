import { deflateSync } from 'node:zlib';
import { pdfFile, pdfOf, pdfStream } from '../../support/pdf.ts';
import { type ParserCase, PDF, TOO_MUCH } from './case.ts';

const CATALOGUE = '<< /Type /Catalog /Pages 2 0 R >>';
const PAGES = '<< /Type /Pages /Count 1 /Kids [3 0 R] >>';
const FONT = '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>';
const page = (resources = '') =>
  `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> ${resources} >> >>`;
const SHOW = 'BT /F1 10 Tf 50 700 Td (a ship) Tj ET';
const secret = '5'.repeat(64);
const whole = () => pdfOf([[{ text: 'A knarr was a ship.' }, { text: 'It carried cargo.' }]]);
const unreadable = (reason: string | RegExp) => ({
  code: 'unprocessable' as const,
  message: reason instanceof RegExp ? reason : `The PDF cannot be read. ${reason}`,
});

/** Forms that each draw the next ten times: ten to the power of their number pieces of text. */
function formBomb(levels: number): Buffer {
  const form = (level: number) =>
    level === levels
      ? pdfStream(
          SHOW,
          '/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >>',
        )
      : pdfStream(
          '/X Do '.repeat(10),
          `/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /X ${6 + level} 0 R >> >>`,
        );
  const forms = Array.from({ length: levels }, (_, index) => form(index + 1));
  return pdfFile([CATALOGUE, PAGES, page('/XObject << /X 6 0 R >>'), pdfStream('/X Do'), FONT, ...forms]);
}

export const PDF_CASES: ParserCase[] = [
  {
    name: 'a PDF in name only',
    make: () => Buffer.from('%PDF-1.7\nthis is no PDF'),
    answer: unreadable('It may be damaged.'),
  },
  {
    name: 'a PDF whose second half is missing',
    make: () => whole().subarray(0, 500),
    answer: unreadable('It is cut off: its end is missing.'),
  },
  {
    name: 'a PDF with its catalogue overwritten',
    make: () =>
      Buffer.from(
        whole().toString('latin1').replace('/Type /Catalog /Pages', '/Type /Xatalog /Xages'),
        'latin1',
      ),
    answer: unreadable('It may be damaged.'),
  },
  {
    name: 'a PDF with a wrong table of objects, which is found again',
    make: () =>
      Buffer.from(
        whole()
          .toString('latin1')
          .replace(/startxref\n\d+/, 'startxref\n7'),
        'latin1',
      ),
    answer: { text: 'A knarr was a ship. It carried cargo.' },
  },
  {
    name: 'a PDF that claims a billion pages and has one',
    make: () =>
      pdfFile([
        CATALOGUE,
        '<< /Type /Pages /Count 1000000000 /Kids [3 0 R] >>',
        page(),
        pdfStream(SHOW),
        FONT,
      ]),
    answer: { text: 'a ship' },
  },
  {
    name: 'a PDF of 5,001 pages',
    make: () => {
      const kids = '3 0 R '.repeat(5_001);
      return pdfFile([
        CATALOGUE,
        `<< /Type /Pages /Count 5001 /Kids [${kids}] >>`,
        page(),
        pdfStream(SHOW),
        FONT,
      ]);
    },
    answer: { code: 'too_large', message: /^The PDF has 5001 pages; \d+ are the limit \(KNARR_MAX_PAGES\)/ },
  },
  {
    name: 'a PDF whose page tree contains itself',
    make: () => pdfFile([CATALOGUE, '<< /Type /Pages /Count 1 /Kids [2 0 R] >>']),
    answer: unreadable(/^The PDF cannot be read\. /),
  },
  {
    name: 'a PDF with a page tree of 20,000 levels',
    make: () => {
      const levels = 20_000;
      const nodes = Array.from(
        { length: levels },
        (_, i) => `<< /Type /Pages /Count 1 /Kids [${i + 3} 0 R] >>`,
      );
      return pdfFile([
        CATALOGUE,
        ...nodes,
        `<< /Type /Page /Parent ${levels + 1} 0 R /MediaBox [0 0 9 9] >>`,
      ]);
    },
    answer: { code: 'unprocessable', message: /^The PDF (cannot be read|has no text)/ },
  },
  {
    name: 'a PDF of 1,000,000 open brackets',
    make: () => pdfFile([CATALOGUE, '['.repeat(1_000_000)]),
    answer: unreadable(/cannot be read/),
  },
  {
    name: 'a PDF whose table of objects leads back to itself',
    make: () => {
      const file = whole().toString('latin1');
      const at = file.indexOf('xref\n0');
      return Buffer.from(file.replace('/Root 1 0 R', `/Root 1 0 R /Prev ${at}`), 'latin1');
    },
    answer: { text: 'A knarr was a ship. It carried cargo.' },
  },
  {
    name: 'a PDF page that unpacks to 1.9 GB',
    // Run-length coding makes 64 of one, deflate 1,000 of one.
    make: () =>
      pdfFile([
        CATALOGUE,
        PAGES,
        page(),
        pdfStream(
          deflateSync(Buffer.alloc(30_000_000, '\x81 ', 'latin1')),
          '/Filter [/FlateDecode /RunLengthDecode]',
        ),
        FONT,
      ]),
    answer: { code: 'unprocessable', message: TOO_MUCH },
    endless: true,
  },
  {
    name: 'a PDF page that draws ten billion texts with ten forms',
    make: () => formBomb(10),
    answer: { code: 'unprocessable', message: TOO_MUCH },
    endless: true,
  },
  {
    name: 'a PDF form that draws itself',
    make: () =>
      pdfFile([
        CATALOGUE,
        PAGES,
        page('/XObject << /X 6 0 R >>'),
        pdfStream(`${SHOW} /X Do`),
        FONT,
        pdfStream(
          '/X Do',
          '/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>',
        ),
      ]),
    answer: { contains: ['a ship'] },
  },
  {
    name: 'a PDF protected by a password',
    make: () =>
      pdfFile(
        [CATALOGUE, PAGES, page(), pdfStream(SHOW), FONT],
        `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${secret}> /U <${secret}> >> /ID [<${secret}> <${secret}>]`,
      ),
    answer: unreadable('It is protected by a password.'),
  },
  {
    name: 'a scan without a text layer',
    make: () => pdfFile([CATALOGUE, PAGES, page(), pdfStream('0 0 500 700 re f'), FONT]),
    answer: { code: 'unprocessable', message: 'The PDF has no text; scanned pages need OCR first.' },
  },
  {
    name: 'a PDF that wants to run a script and open a file',
    make: () =>
      pdfFile([
        '<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (while \\(true\\) {}) >> /AA << /O << /S /Launch /F (/etc/passwd) >> >> >>',
        PAGES,
        page(),
        pdfStream(SHOW),
        FONT,
      ]),
    answer: { text: 'a ship' },
  },
].map((given): ParserCase => ({ mediaType: PDF, ...(given as Omit<ParserCase, 'mediaType'>) }));
