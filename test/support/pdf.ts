export interface PdfLine {
  text: string;
  /** Points; default 10. */
  size?: number;
  /** Points below the line before; default 1.4 times the size. */
  step?: number;
  /** Points from the left edge of the page; default 50. */
  x?: number;
}

const TOP = 800;
const LEFT = 50;

/** A text PDF in Helvetica: each page is a list of lines. Characters beyond Latin-1 become question marks. */
export function pdfOf(pages: readonly (readonly PdfLine[])[], info: { title?: string } = {}): Buffer {
  const kids = pages.map((_, page) => `${4 + 2 * page} 0 R`).join(' ');
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${kids}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    ...pages.flatMap((lines, page) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents ${5 + 2 * page} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
      pdfStream(pageContent(lines)),
    ]),
  ];
  if (info.title === undefined) return pdfFile(objects);
  return pdfFile([...objects, `<< /Title ${literal(info.title)} >>`], `/Info ${objects.length + 1} 0 R`);
}

/** A PDF of these objects, numbered from 1; the first is the catalogue. Strings are Latin-1. */
export function pdfFile(objects: readonly (string | Buffer)[], trailer = ''): Buffer {
  const parts = [Buffer.from('%PDF-1.4\n')];
  let length = parts[0]?.length ?? 0;
  const offsets = objects.map((object, index) => {
    const offset = length;
    const body = typeof object === 'string' ? Buffer.from(object, 'latin1') : object;
    const whole = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), body, Buffer.from('\nendobj\n')]);
    parts.push(whole);
    length += whole.length;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  const end = `xref\n0 ${size}\n0000000000 65535 f \n${table}trailer << /Size ${size} /Root 1 0 R ${trailer} >>\nstartxref\n${length}\n%%EOF\n`;
  return Buffer.concat([...parts, Buffer.from(end)]);
}

/** A stream object; `entries` are what its dictionary says beside the length. */
export function pdfStream(content: string | Uint8Array, entries = ''): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : Buffer.from(content);
  return Buffer.concat([
    Buffer.from(`<< /Length ${bytes.length} ${entries} >>\nstream\n`),
    bytes,
    Buffer.from('\nendstream'),
  ]);
}

function pageContent(lines: readonly PdfLine[]): string {
  let y = TOP;
  const shown = lines.map(({ text, size = 10, step = size * 1.4, x = LEFT }, index) => {
    if (index > 0) y -= step;
    return `/F1 ${size} Tf 1 0 0 1 ${x} ${y} Tm ${literal(text)} Tj`;
  });
  return `BT ${shown.join('\n')} ET`;
}

const literal = (text: string) => `(${text.replace(/[^\x20-\xff]/g, '?').replace(/[\\()]/g, '\\$&')})`;

/** Text as lines of at most `columns` characters, cut at spaces. */
export function wrap(text: string, columns: number): string[] {
  const pattern = new RegExp(`.{1,${columns}}(?:\\s|$)|\\S{1,${columns}}`, 'g');
  return (text.match(pattern) ?? []).map((line) => line.trimEnd());
}
