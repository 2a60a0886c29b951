import { getDocumentProxy } from 'unpdf';
import { KnarrError } from '../../_shared/errors.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { type Line, withoutRunningLines } from './pdf-lines.ts';
import { assemble } from './pdf-structure.ts';

/** Between a heading and its page number in a table of contents. */
const DOT_LEADERS = / ?\. ?\. ?\. ?\.[ .]+/g;

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;

/** Titles that programs write by themselves. */
const NO_TITLE =
  /^(untitled|microsoft word|powerpoint presentation|[a-z]:\\)|\.(docx?|pptx?|tex|dvi|indd|qxd|pdf|rtf|odt|wpd)$/i;

/** The text layer of a PDF; a scan without one is refused, and so is a file that is cut off. */
export async function extractPdf(bytes: Uint8Array, { maxPages }: ExtractLimits): Promise<Extracted> {
  if (isCutOff(bytes)) throw unreadable('It is cut off: its end is missing.');
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0, isEvalSupported: false }).catch(
    (cause: Error) => {
      const isProtected = cause.name === 'PasswordException';
      throw unreadable(isProtected ? 'It is protected by a password.' : 'It may be damaged.', cause);
    },
  );
  try {
    if (pdf.numPages > maxPages) {
      throw new KnarrError(
        'too_large',
        `The PDF has ${pdf.numPages} pages; ${maxPages} are the limit (KNARR_MAX_PAGES).`,
      );
    }
    const pages: Line[][] = [];
    for (let number = 1; number <= pdf.numPages; number++) pages.push(await readPage(pdf, number));
    if (pages.every((lines) => lines.length === 0))
      throw new KnarrError('unprocessable', 'The PDF has no text; scanned pages need OCR first.');
    return assemble(withoutRunningLines(pages).flat(), await titleOf(pdf));
  } finally {
    await pdf.loadingTask.destroy();
  }
}

/** Readers mend a file without its end by guessing; what is lost would be missed by nobody. */
function isCutOff(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return file.lastIndexOf('%%EOF') < file.lastIndexOf('endobj');
}

const unreadable = (reason: string, cause?: unknown) =>
  new KnarrError('unprocessable', `The PDF cannot be read. ${reason}`, { cause });

/** The lines of a page, in the order in which they are written. */
async function readPage(pdf: Pdf, number: number): Promise<Line[]> {
  const lines: Line[] = [];
  let current: (Line & { parts: string[] }) | undefined;
  const finish = () => {
    if (current) {
      const { parts, ...line } = current;
      const text = parts.join('').replace(DOT_LEADERS, ' … ').trim();
      if (text !== '') lines.push({ ...line, text });
    }
    current = undefined;
  };
  try {
    const page = await pdf.getPage(number);
    for (const item of (await page.getTextContent()).items) {
      if (!('str' in item)) continue;
      const [, , , , x, y] = item.transform as number[];
      current ??= { text: '', parts: [], height: item.height, x: x ?? 0, y: y ?? 0, page: number };
      current.parts.push(item.str);
      current.height = Math.max(current.height, item.height);
      if (item.hasEOL) finish();
    }
    finish();
    page.cleanup();
    return lines;
  } catch (cause) {
    throw unreadable(`Page ${number} is damaged.`, cause);
  }
}

async function titleOf(pdf: Pdf): Promise<string | null> {
  const { info } = (await pdf.getMetadata().catch(() => ({ info: {} }))) as { info: { Title?: unknown } };
  const title = typeof info.Title === 'string' ? info.Title.trim() : '';
  return title === '' || NO_TITLE.test(title) ? null : title;
}
