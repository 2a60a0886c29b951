import { type Extracted, TextBuilder } from './extracted.ts';
import type { Line } from './pdf-lines.ts';

/** A line this much taller than most of the text is a heading… */
const HEADING_RATIO = 1.15;
/** …unless it is longer than this. */
const MAX_HEADING = 120;
/** A step this much larger than the usual one between lines begins a paragraph. */
const PARAGRAPH_STEP = 1.35;
/** From line to line, in glyph heights, where no two lines tell. */
const USUAL_LEADING = 1.4;
const ENDS_SENTENCE = /[.!?:…]["'”’)\]]*$/;
const LIST_ITEM = /^([•◦▪‣·–—*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s/;

/** Text and structure from lines: taller lines are headings, gaps and indents begin paragraphs. */
export function assemble(lines: readonly Line[], title: string | null): Extracted {
  const builder = new TextBuilder();
  const usual = usualHeight(lines);
  const step = usualStep(lines) ?? usual * USUAL_LEADING;
  const isHeading = ({ height, text }: Line) =>
    height >= usual * HEADING_RATIO && text.length <= MAX_HEADING && /\p{L}/u.test(text);
  const levels = levelsOf(lines.filter(isHeading));
  let firstHeading: string | null = null;
  let block: Line[] = [];
  const flush = () => {
    const [first] = block;
    if (!first) return;
    const text = joinLines(block);
    if (isHeading(first)) {
      builder.add('heading', text, levels.get(sizeOf(first)) ?? 6);
      firstHeading ??= text;
    } else builder.add('paragraph', text);
    block = [];
  };
  for (const line of lines) {
    const before = block.at(-1);
    if (before && begins(line, before, { step, isHeading })) flush();
    block.push(line);
  }
  flush();
  return builder.build(title ?? firstHeading);
}

interface Measures {
  step: number;
  isHeading(line: Line): boolean;
}

function begins(line: Line, before: Line, { step, isHeading }: Measures): boolean {
  const down = before.y - line.y;
  const continues = before.page === line.page && down > 0;
  if (isHeading(line) || isHeading(before)) {
    // A heading may go over several lines.
    return !(continues && sizeOf(line) === sizeOf(before) && down <= line.height * 2);
  }
  if (LIST_ITEM.test(line.text)) return true;
  const endsSentence = ENDS_SENTENCE.test(before.text);
  // The end of a page or column alone does not end a paragraph.
  if (!continues) return endsSentence;
  return down > step * PARAGRAPH_STEP || (endsSentence && line.x - before.x > line.height / 2);
}

/** Heading levels by size: the largest is 1. */
function levelsOf(headings: readonly Line[]): Map<number, number> {
  const sizes = [...new Set(headings.map(sizeOf))].sort((a, b) => b - a);
  return new Map(sizes.map((size, index) => [size, Math.min(6, index + 1)]));
}

/** Height in half points: what is printed alike differs a little. */
const sizeOf = ({ height }: Line) => Math.round(height * 2) / 2;

/** The height of most of the text. */
function usualHeight(lines: readonly Line[]): number {
  const half = lines.reduce((sum, { text }) => sum + text.length, 0) / 2;
  let seen = 0;
  for (const { height, text } of [...lines].sort((a, b) => a.height - b.height)) {
    seen += text.length;
    if (seen >= half) return height;
  }
  return 0;
}

/** The median distance between two lines below each other. */
function usualStep(lines: readonly Line[]): number | undefined {
  const steps: number[] = [];
  for (const [index, line] of lines.entries()) {
    const before = lines[index - 1];
    const down = before?.page === line.page ? before.y - line.y : 0;
    if (down > 0 && down < line.height * 4) steps.push(down);
  }
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)];
}

/** Lines of a block as running text; a word that was divided at the end of a line is put together again. */
function joinLines(lines: readonly Line[]): string {
  let joined = '';
  for (const [index, { text }] of lines.entries()) {
    const next = lines[index + 1]?.text;
    const divided =
      next !== undefined && (/\u00ad$/.test(text) || (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(next)));
    if (divided) joined += text.slice(0, -1);
    else joined += next === undefined ? text : `${text} `;
  }
  return joined;
}
