import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

interface Text {
  id: string;
  title: string;
  text: string;
}

/** Writes `count` real documents (Cranfield abstracts, Wikipedia paragraphs) in five formats; returns the number of each. */
export async function writeDocuments(folder: string, count: number): Promise<Record<string, number>> {
  const texts = [...(await corpus('squad2-dev-slice')), ...(await corpus('cranfield'))].slice(0, count);
  const written: Record<string, number> = {};
  for (const [index, text] of texts.entries()) {
    const [ending, content] = render(text, index);
    written[ending] = (written[ending] ?? 0) + 1;
    const path = join(folder, `${text.id.replaceAll('/', '-')}.${ending}`);
    await mkdir(folder, { recursive: true });
    await writeFile(path, content);
  }
  return written;
}

async function corpus(name: string): Promise<Text[]> {
  const lines = (await readFile(new URL(`../test/data/${name}/corpus.jsonl`, import.meta.url), 'utf8'))
    .trim()
    .split('\n');
  return lines
    .map((line) => JSON.parse(line) as { _id: string; title: string; text: string })
    .filter(({ text }) => text.trim() !== '')
    .map(({ _id, title, text }) => ({ id: `${name}-${_id}`, title, text }));
}

function render({ title, text }: Text, index: number): [string, string | Buffer] {
  switch (index % 10) {
    case 0:
      return ['pdf', pdf(title, text)];
    case 1:
      return ['docx', docx(title, text)];
    case 2:
    case 3:
      return [
        'html',
        `<!doctype html><title>${escapeXml(title)}</title><main><h1>${escapeXml(title)}</h1><p>${escapeXml(text)}</p></main>`,
      ];
    case 4:
    case 5:
    case 6:
      return ['md', `# ${title}\n\n${text}\n`];
    default:
      return ['txt', `${title}\n\n${text}\n`];
  }
}

const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A minimal text PDF: Helvetica, one page per 50 lines. */
function pdf(title: string, text: string): Buffer {
  const lines = [title, '', ...(text.match(/.{1,90}(?:\s|$)|\S{1,90}/g) ?? [])];
  const literal = (line: string) => line.replace(/[^\x20-\x7e]/g, '?').replace(/[\\()]/g, '\\$&');
  const pages: string[] = [];
  for (let start = 0; start < lines.length; start += 50) {
    const shown = lines.slice(start, start + 50).map((line) => `(${literal(line)}) '`);
    pages.push(`BT /F1 10 Tf 14 TL 50 800 Td ${shown.join('\n')} ET`);
  }
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    ...pages.flatMap((content, i) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents ${5 + 2 * i} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    ]),
  ];
  let body = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const offset = body.length;
    body += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  return Buffer.from(
    `${body}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer << /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${body.length}\n%%EOF\n`,
    'latin1',
  );
}

const WORD = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';

function docx(title: string, text: string): Buffer {
  const paragraph = (content: string, style = '') =>
    `<w:p>${style && `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`}<w:r><w:t xml:space="preserve">${escapeXml(content)}</w:t></w:r></w:p>`;
  return zip({
    '[Content_Types].xml': `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/document.xml': `<w:document xmlns:w="${WORD}"><w:body>${paragraph(title, 'Heading1')}${paragraph(text)}</w:body></w:document>`,
  });
}

/** A ZIP archive of small files (APPNOTE 6.3.4, no ZIP64). */
function zip(files: Record<string, string>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text);
    const packed = deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(locals.length, 8);
  end.writeUInt16LE(locals.length, 10);
  end.writeUInt32LE(
    directory.reduce((sum, entry) => sum + entry.length, 0),
    12,
  );
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}
