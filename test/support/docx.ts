import { type ZipEntry, zipOf } from './zip.ts';

export interface DocxParagraph {
  text: string;
  /** Style id, such as `Heading1`. */
  style?: string;
}
/** Rows of cells. */
export interface DocxTable {
  rows: readonly (readonly string[])[];
}

const WORD = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';

export const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A minimal Word document. */
export function docxOf(parts: readonly (DocxParagraph | DocxTable)[]): Buffer {
  return docxFile(
    `<w:document xmlns:w="${WORD}"><w:body>${parts.map(partXml).join('')}</w:body></w:document>`,
  );
}

/** A Word document around a main part given as it is. */
export function docxFile(
  documentXml: string | Uint8Array | ZipEntry,
  more: Record<string, string | ZipEntry> = {},
): Buffer {
  return zipOf({
    '[Content_Types].xml': `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/document.xml': documentXml,
    ...more,
  });
}

function partXml(part: DocxParagraph | DocxTable): string {
  if ('text' in part) return paragraphXml(part);
  const row = (cells: readonly string[]) =>
    `<w:tr>${cells.map((text) => `<w:tc>${paragraphXml({ text })}</w:tc>`).join('')}</w:tr>`;
  return `<w:tbl>${part.rows.map(row).join('')}</w:tbl>`;
}

const paragraphXml = ({ text, style }: DocxParagraph) =>
  `<w:p>${style ? `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>` : ''}<w:r><w:t xml:space="preserve">${escapeXml(text)}</w:t></w:r></w:p>`;
