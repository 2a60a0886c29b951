import { sentenceRanges, type TextRange, trimRange } from '../../_shared/sentences.ts';
import type { Block, Extracted } from '../extract/extracted.ts';

/** Tokens of a text, special tokens not counted. */
export type CountTokens = (text: string) => number;

/** The smallest part that a chunk is put together from: a sentence, a line, or a piece of an overlong one. */
export interface Unit {
  start: number;
  end: number;
  tokens: number;
  headings: string[];
  isHeading: boolean;
}

/**
 * Characters of one piece per token of room. WordPiece makes one token of any word of 100 characters or more, so tokens
 * alone would let a chunk grow without limit.
 */
const CHARACTERS_PER_TOKEN = 6;
/** Text given to the sentence splitter at once; longer blocks are cut at white space first. */
const SPLIT_CHARACTERS = 20_000;

/** The units of a document in order, none larger than `maxTokens`. Linear in the length of the text. */
export function unitsOf({ text, blocks }: Extracted, maxTokens: number, countTokens: CountTokens): Unit[] {
  const units: Unit[] = [];
  const path: { level: number; text: string }[] = [];
  for (const block of blocks) {
    if (block.kind === 'heading') {
      const level = block.level ?? 6;
      while ((path.at(-1)?.level ?? 0) >= level) path.pop();
      path.push({ level, text: text.slice(block.start, block.end).replace(/\s+/g, ' ').slice(0, 200) });
    }
    const headings = path.map((heading) => heading.text);
    for (const range of rangesOf(text, block)) {
      for (const [start, end] of splitRange(text, trimRange(text, range), maxTokens, countTokens)) {
        const tokens = countTokens(text.slice(start, end));
        units.push({ start, end, tokens, headings, isHeading: block.kind === 'heading' });
      }
    }
  }
  return units;
}

function rangesOf(text: string, { kind, start, end }: Block): TextRange[] {
  const content = text.slice(start, end);
  if (kind === 'heading') return [[start, end]];
  const shift = (ranges: TextRange[], by: number) =>
    ranges.map(([from, to]): TextRange => [from + by, to + by]);
  if (kind === 'code' || kind === 'table') return shift(lineRanges(content), start);
  return piecesAtSpaces(content, SPLIT_CHARACTERS).flatMap(([from, to]) =>
    shift(sentenceRanges(content.slice(from, to)), start + from),
  );
}

function lineRanges(text: string): TextRange[] {
  const ranges: TextRange[] = [];
  let start = 0;
  for (const line of text.split('\n')) {
    if (line.trim() !== '') ranges.push([start, start + line.length]);
    start += line.length + 1;
  }
  return ranges;
}

/** Cuts a range until each piece is within the limits; white space at the cuts is dropped. */
function splitRange(
  text: string,
  [start, end]: TextRange,
  maxTokens: number,
  countTokens: CountTokens,
): TextRange[] {
  if (start >= end) return [];
  const maxCharacters = maxTokens * CHARACTERS_PER_TOKEN;
  const done: TextRange[] = [];
  const todo = piecesAtSpaces(text.slice(start, end), maxCharacters)
    .map(([from, to]): TextRange => [from + start, to + start])
    .reverse();
  for (let range = todo.pop(); range; range = todo.pop()) {
    const [from, to] = trimRange(text, range);
    if (from >= to) continue;
    const piece = text.slice(from, to);
    if (piece.length === 1 || countTokens(piece) <= maxTokens) {
      done.push([from, to]);
      continue;
    }
    const halves = piecesAtSpaces(piece, Math.ceil(piece.length / 2));
    todo.push(...halves.map(([a, b]): TextRange => [a + from, b + from]).reverse());
  }
  return done;
}

/** Consecutive pieces of at most `size` characters, cut after white space where there is some, never inside a surrogate pair. */
function piecesAtSpaces(text: string, size: number): TextRange[] {
  const pieces: TextRange[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + size);
    if (end < text.length) {
      const space = lastSpace(text, start + Math.floor(size / 2), end);
      if (space > 0) end = space + 1;
      else if (/[\udc00-\udfff]/.test(text[end] as string)) end += end - start > 1 ? -1 : 1;
    }
    pieces.push([start, end]);
    start = end;
  }
  return pieces;
}

/** Position of the last white space in [from, to); -1 when there is none. */
function lastSpace(text: string, from: number, to: number): number {
  for (let index = to - 1; index >= from; index--) if (/\s/.test(text[index] as string)) return index;
  return -1;
}
