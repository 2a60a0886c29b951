import type { Citation } from '../../_shared/contracts.ts';
import { sentenceRanges } from '../../_shared/sentences.ts';

/** `[1]`, or several numbers in one pair of brackets. */
export const MARKER = /\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]/g;
/** What may still become a marker when more text comes, with the white space before it. */
const OPEN_MARKER = /\s*(\[[\d\s,;]{0,40})?$/;

/** Checks citations while the text streams. */
export interface CitationFilter {
  /** Takes the next piece; gives what may be passed on. */
  write(piece: string): string;
  /** Gives what was held back at the end. */
  end(): string;
  /** Numbers that were cited and not given, in order of appearance. */
  readonly unknown: ReadonlySet<number>;
}

/**
 * Takes `[n]` out of the text where n is none of 1 … `sources`. Holds back only what could be the beginning of a
 * marker and white space before it, so that what it has given never needs to be taken back.
 */
export function createCitationFilter(sources: number): CitationFilter {
  const unknown = new Set<number>();
  let held = '';
  let isFirst = true;

  function check(text: string): string {
    return text.replace(
      /(\s*)\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]/g,
      (marker, space: string, list: string) => {
        const numbers = list.split(/[,;]/).map(Number);
        const known = numbers.filter((number) => number >= 1 && number <= sources);
        if (known.length === numbers.length) return marker;
        for (const number of numbers) if (!known.includes(number)) unknown.add(number);
        return known.length === 0 ? '' : `${space}[${known.join(', ')}]`;
      },
    );
  }

  function release(text: string): string {
    const checked = check(text);
    const result = isFirst ? checked.trimStart() : checked;
    if (result !== '') isFirst = false;
    return result;
  }

  return {
    unknown,
    write(piece) {
      held += piece;
      const cut = OPEN_MARKER.exec(held)?.index ?? held.length;
      const ready = held.slice(0, cut);
      held = held.slice(cut);
      return release(ready);
    },
    end() {
      const rest = release(held).trimEnd();
      held = '';
      return rest;
    },
  };
}

/**
 * The markers of an answer as ranges: each number cites its sentence, or what of it follows the marker before
 * (*A is so [1], B is not [2].*). A marker with nothing before it cites nothing.
 */
export function citationsOf(answer: string): Citation[] {
  const plain = answer.replace(MARKER, (marker) => ' '.repeat(marker.length));
  const starts = sentenceRanges(plain).map(([start]) => start);
  const citations: Citation[] = [];
  let previousEnd = 0;
  let range = { start: 0, end: 0 };
  for (const match of answer.matchAll(MARKER)) {
    const end = plain.slice(0, match.index).trimEnd().length;
    const isOwn = /[\p{L}\p{N}]/u.test(plain.slice(previousEnd, end));
    if (isOwn) {
      const sentence = starts.findLast((start) => start < end) ?? 0;
      const from = Math.max(sentence, previousEnd);
      const lead = /^[\s,;:.–—-]*/.exec(plain.slice(from, end))?.[0].length ?? 0;
      range = { start: from + lead, end };
    }
    previousEnd = match.index + match[0].length;
    if (range.end === range.start) continue;
    for (const number of new Set((match[1] as string).split(/[,;]/).map(Number))) {
      citations.push({ source: number - 1, ...range });
    }
  }
  return citations;
}
