import { getDocumentProxy } from 'unpdf';
import { KnarrError } from '../../_shared/errors.ts';
import { type Extracted, type ExtractLimits, TextBuilder } from './extracted.ts';

interface Line {
  text: string;
  /** Glyph height and baseline, in points. */
  height: number;
  y: number;
  page: number;
}

/** A line this much taller than most of the text is a heading… */
const HEADING_RATIO = 1.15;
/** …unless it is longer than this. */
const MAX_HEADING = 120;
/** A step between baselines this much larger than the glyphs begins a paragraph. */
const PARAGRAPH_GAP = 1.7;

/** The text layer of a PDF; a scan without one is refused. */
export async function extractPdf(bytes: Uint8Array, { maxPages }: ExtractLimits): Promise<Extracted> {
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 }).catch((cause: Error) => {
    const reason =
      cause.name === 'PasswordException' ? 'It is protected by a password.' : 'It may be damaged or cut off.';
    throw new KnarrError('unprocessable', `The PDF cannot be read. ${reason}`, { cause });
  });
  if (pdf.numPages > maxPages) {
    throw new KnarrError(
      'too_large',
      `The PDF has ${pdf.numPages} pages; ${maxPages} are the limit (KNARR_MAX_PAGES).`,
    );
  }
  const lines: Line[] = [];
  for (let page = 1; page <= pdf.numPages; page++) lines.push(...(await readLines(pdf, page)));
  if (lines.length === 0)
    throw new KnarrError('unprocessable', 'The PDF has no text; scanned pages need OCR first.');
  const { info } = (await pdf.getMetadata().catch(() => ({ info: {} }))) as { info: { Title?: string } };
  return assemble(lines, info.Title?.trim() || null);
}

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;

async function readLines(pdf: Pdf, number: number): Promise<Line[]> {
  const page = await pdf.getPage(number);
  const { items } = await page.getTextContent();
  const lines: Line[] = [];
  let current: Line | undefined;
  for (const item of items) {
    if (!('str' in item)) continue;
    const y = item.transform[5] as number;
    current ??= { text: '', height: item.height, y, page: number };
    current.text += item.str;
    current.height = Math.max(current.height, item.height);
    if (!item.hasEOL) continue;
    if (current.text.trim() !== '') lines.push(current);
    current = undefined;
  }
  if (current && current.text.trim() !== '') lines.push(current);
  page.cleanup();
  return lines;
}

function assemble(lines: readonly Line[], title: string | null): Extracted {
  const builder = new TextBuilder();
  const body = median(lines.map(({ height }) => height));
  let paragraph: Line[] = [];
  let heading: string | null = null;
  const flush = () => {
    builder.add('paragraph', joinLines(paragraph.map(({ text }) => text)));
    paragraph = [];
  };
  for (const line of lines) {
    if (line.height >= body * HEADING_RATIO && line.text.length <= MAX_HEADING) {
      flush();
      builder.add('heading', line.text, line.height >= body * 1.5 ? 1 : 2);
      heading ??= line.text;
      continue;
    }
    const before = paragraph.at(-1);
    const gap = before ? before.y - line.y : 0;
    // A page break alone does not end a paragraph; the last line of a paragraph ends its sentence.
    const breaks =
      before &&
      (before.page === line.page ? gap > line.height * PARAGRAPH_GAP : /[.!?:]\s*$/.test(before.text));
    if (breaks) flush();
    paragraph.push(line);
  }
  flush();
  return builder.build(title ?? heading);
}

/** Lines of a paragraph as running text; a word that was hyphenated at a line end is put together again. */
function joinLines(lines: readonly string[]): string {
  return lines.reduce((text, line) => {
    if (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line)) return text.slice(0, -1) + line;
    return text === '' ? line : `${text.trimEnd()} ${line.trimStart()}`;
  }, '');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
