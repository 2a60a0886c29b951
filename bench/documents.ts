import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { docxOf, escapeXml } from '../test/support/docx.ts';
import { type PdfLine, pdfOf, wrap } from '../test/support/pdf.ts';

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
      return ['docx', docxOf([{ text: title, style: 'Heading1' }, { text }])];
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

/** A title and its text, 50 lines a page. */
function pdf(title: string, text: string): Buffer {
  const lines: PdfLine[] = wrap(text, 90).map((line) => ({ text: line, step: 14 }));
  const heading: PdfLine[] = wrap(title, 55).map((line) => ({ text: line, size: 16 }));
  const pages = [[...heading, ...lines.splice(0, 45)]];
  while (lines.length > 0) pages.push(lines.splice(0, 50));
  return pdfOf(pages);
}
