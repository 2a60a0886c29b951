import type { CountTokens, Unit } from './units.ts';

export interface ChunkSize {
  /** Most tokens of a chunk. */
  tokens: number;
  /** Most tokens that a chunk repeats from the one before. */
  overlap: number;
  /** Most UTF-16 code units of a chunk. */
  characters: number;
}

export interface ChunkRange {
  /** [start, end) in UTF-16 code units of the text. */
  start: number;
  end: number;
  tokens: number;
}

/** Where a paragraph begins, a chunk may end with this share of the text that it could have. */
const EARLY_SHARE = 0.7;

/**
 * Cuts the units of one part of a document into chunks, preferably between paragraphs: so an edit moves the cuts only up
 * to a paragraph soon after it, and the other chunks stay what they were. Each chunk but the first begins with the last
 * whole units of the one before that the overlap has room for.
 */
export function cutIntoChunks(
  text: string,
  units: readonly Unit[],
  size: ChunkSize,
  countTokens: CountTokens,
): ChunkRange[] {
  const ranges: ChunkRange[] = [];
  let left = units.reduce((sum, { tokens }) => sum + tokens, 0);
  let begin = 0;
  for (let fresh = 0; fresh < units.length; ) {
    const before = ranges.length === 0 ? 0 : overlapOf(units, begin, fresh, size);
    let first = fresh - before;
    let end = endOf(units, first, fresh, left, size);
    let range = measure(text, units, first, end, countTokens);
    // Tokens of parts need not add up: where words touch, the whole may have more.
    while (range.tokens > size.tokens && (end > fresh + 1 || first < fresh)) {
      if (end > fresh + 1) end--;
      else first = fresh;
      range = measure(text, units, first, end, countTokens);
    }
    ranges.push(range);
    for (; fresh < end; fresh++) left -= units[fresh]?.tokens ?? 0;
    begin = first;
  }
  return ranges;
}

/** How many units before `fresh` are repeated: few enough tokens, not the whole chunk, and room for the next unit. */
function overlapOf(units: readonly Unit[], begin: number, fresh: number, size: ChunkSize): number {
  const next = units[fresh] as Unit;
  const room = Math.min(size.overlap, size.tokens - next.tokens);
  let tokens = 0;
  let first = fresh;
  while (first - 1 > begin) {
    const unit = units[first - 1] as Unit;
    tokens += unit.tokens;
    if (tokens > room || next.end - unit.start > size.characters) break;
    first--;
  }
  return fresh - first;
}

/** End of the chunk (a unit's index) that begins with `first` and says new things from `fresh` on. */
function endOf(units: readonly Unit[], first: number, fresh: number, left: number, size: ChunkSize): number {
  const start = (units[first] as Unit).start;
  const repeated = units.slice(first, fresh).reduce((sum, { tokens }) => sum + tokens, 0);
  const room = size.tokens - repeated;
  // What is left makes one chunk, or two of about equal length, or more: then this one is filled.
  const share = left <= room ? Number.POSITIVE_INFINITY : left <= room * 2 ? left / 2 : room;
  let said = (units[fresh] as Unit).tokens;
  let end = fresh + 1;
  for (; end < units.length; end++) {
    const unit = units[end] as Unit;
    const fits = repeated + said + unit.tokens <= size.tokens && unit.end - start <= size.characters;
    if (!fits || said >= share * (unit.beginsBlock ? EARLY_SHARE : 1)) break;
    said += unit.tokens;
  }
  return end;
}

function measure(
  text: string,
  units: readonly Unit[],
  first: number,
  end: number,
  countTokens: CountTokens,
): ChunkRange {
  const start = (units[first] as Unit).start;
  const last = (units[end - 1] as Unit).end;
  return { start, end: last, tokens: countTokens(text.slice(start, last)) };
}
