import { sentenceRanges, type TextRange, trimRange } from '../../_shared/sentences.ts';
import type { Block, Extracted } from '../extract/extracted.ts';
import { piecesAtSpaces } from './pieces.ts';

/** Tokens of a text, special tokens not counted. */
export type CountTokens = (text: string) => number;

/** The smallest part that a chunk is put together from: a sentence, a line, or a piece of an overlong one. */
export interface Unit {
  start: number;
  end: number;
  tokens: number;
  /** It begins a paragraph, list item, code block or table. */
  beginsBlock: boolean;
}

export interface UnitLimits {
  tokens: number;
  /** UTF-16 code units. */
  characters: number;
}

/** Text given to the sentence splitter at once; longer blocks are cut at white space first. */
const SPLIT_CHARACTERS = 20_000;

/** The units of a block in order, none above the limits. Linear in the length of the text. */
export function* unitsOf(
  { text }: Extracted,
  block: Block,
  limits: UnitLimits,
  countTokens: CountTokens,
): Generator<Unit> {
  let beginsBlock = true;
  for (const range of rangesOf(text, block)) {
    for (const unit of splitRange(text, range, limits, countTokens)) {
      yield { ...unit, beginsBlock };
      beginsBlock = false;
    }
  }
}

function* rangesOf(text: string, { kind, start, end }: Block): Generator<TextRange> {
  if (kind === 'heading') yield [start, end];
  else if (kind === 'code' || kind === 'table') yield* lineRanges(text, start, end);
  else {
    for (const [from, to] of piecesAtSpaces(text, [start, end], SPLIT_CHARACTERS)) {
      for (const [a, b] of sentenceRanges(text.slice(from, to))) yield [a + from, b + from];
    }
  }
}

function* lineRanges(text: string, start: number, end: number): Generator<TextRange> {
  for (let from = start; from < end; ) {
    const at = text.indexOf('\n', from);
    const to = at < 0 || at > end ? end : at;
    yield [from, to];
    from = to + 1;
  }
}

/** Cuts a range until each piece is within the limits; white space at the cuts is dropped. */
function* splitRange(
  text: string,
  range: TextRange,
  { tokens: maxTokens, characters }: UnitLimits,
  countTokens: CountTokens,
): Generator<Omit<Unit, 'beginsBlock'>> {
  const todo = piecesAtSpaces(text, trimRange(text, range), characters).reverse();
  for (let next = todo.pop(); next; next = todo.pop()) {
    const [start, end] = trimRange(text, next);
    if (start >= end) continue;
    const tokens = countTokens(text.slice(start, end));
    const halves = tokens > maxTokens ? piecesAtSpaces(text, [start, end], Math.ceil((end - start) / 2)) : [];
    // One character can be more tokens than a very small limit.
    if (halves.length < 2) yield { start, end, tokens };
    else todo.push(...halves.reverse());
  }
}
