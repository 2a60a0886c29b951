import { docxFile, docxOf } from '../../support/docx.ts';
import { overlappingZip, zipOf } from '../../support/zip.ts';
import { DOCX, type ParserCase } from './case.ts';

const WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
const body = (content: string, before = '') =>
  `<?xml version="1.0"?>${before}<w:document ${WORD}><w:body>${content}</w:body></w:document>`;
const paragraph = (content: string) => `<w:p><w:r><w:t>${content}</w:t></w:r></w:p>`;
const damaged = 'The Word document cannot be read; it may be damaged.';
const expanded = /^The Word document unpacks to more than \d+ bytes \(KNARR_MAX_EXPANDED_BYTES\)\.$/;

export const DOCX_CASES: ParserCase[] = [
  {
    name: 'a Word document cut in half',
    make: () => docxOf([{ text: 'A knarr was a ship.' }]).subarray(0, 600),
    answer: { code: 'unprocessable', message: 'The Word document cannot be read; its archive is damaged.' },
  },
  {
    name: 'an archive that is no Word document',
    make: () => zipOf({ 'a.txt': 'text' }),
    answer: { code: 'unprocessable', message: damaged },
  },
  {
    name: 'a Word document protected by a password',
    make: () => Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(4096)]),
    answer: { code: 'unprocessable', message: /protected by a password/ },
  },
  {
    name: 'a zip bomb that says it is small',
    make: () => docxFile({ content: body(' '.repeat(40_000_000)), size: 1000 }),
    answer: { code: 'too_large', message: expanded },
  },
  {
    name: 'a zip bomb of 9,000 entries that share one megabyte: 9 GB in half a megabyte',
    make: () => overlappingZip(9_000, 1_000_000),
    answer: { code: 'too_large', message: expanded },
  },
  {
    name: 'an archive of 20,000 entries',
    make: () => overlappingZip(20_000, 1),
    answer: { code: 'too_large', message: 'The archive has 20000 entries; 10000 are the limit.' },
  },
  {
    name: 'entities that multiply (billion laughs)',
    make: () => {
      const entities = Array.from({ length: 10 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`);
      return docxFile(body(paragraph('&l10;'), `<!DOCTYPE w [<!ENTITY l0 "lol">${entities.join('')}]>`));
    },
    answer: { code: 'unprocessable', message: damaged },
  },
  {
    name: 'an entity that reads a file (XXE)',
    make: () =>
      docxFile(body(paragraph('&file;'), '<!DOCTYPE w [<!ENTITY file SYSTEM "file:///etc/passwd">]>')),
    answer: { code: 'unprocessable', message: damaged },
  },
  {
    name: 'a picture that is a file of the reader',
    make: () =>
      docxFile(
        body(
          `${paragraph('A ship.')}<w:p><w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"><a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:graphicData><pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:blipFill><a:blip r:link="r9" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>`,
        ),
        {
          'word/_rels/document.xml.rels':
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" TargetMode="External" Target="file:///etc/passwd"/></Relationships>',
        },
      ),
    answer: { text: 'A ship.' },
  },
  {
    name: 'XML of 100,000 levels',
    make: () => docxFile(body(`${'<w:p>'.repeat(100_000)}deep${'</w:p>'.repeat(100_000)}`)),
    answer: { code: 'unprocessable', message: /^The (Word )?document cannot be read/ },
  },
  {
    name: 'entries that would leave the folder they are unpacked to',
    make: () =>
      docxFile(body(paragraph('A ship.')), { '../../../../tmp/knarr-was-here': 'x', '/etc/knarr': 'x' }),
    answer: { text: 'A ship.' },
  },
].map((given): ParserCase => ({ mediaType: DOCX, ...(given as Omit<ParserCase, 'mediaType'>) }));
