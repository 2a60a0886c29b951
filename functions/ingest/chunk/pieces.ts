import type { TextRange } from '../../_shared/sentences.ts';

/** Consecutive pieces of a range, at most `size` code units each, cut after white space where there is some, never inside a surrogate pair. */
export function piecesAtSpaces(text: string, [from, to]: TextRange, size: number): TextRange[] {
  const pieces: TextRange[] = [];
  for (let start = from; start < to; ) {
    let end = Math.min(to, start + size);
    if (end < to) {
      const space = lastSpace(text, start + Math.floor(size / 2), end);
      if (space >= 0) end = space + 1;
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
