import type { Passage } from '../../_shared/contracts.ts';
import { sentenceRanges, type TextRange, trimRange } from '../../_shared/sentences.ts';
import { contentWords, type Word } from './words.ts';

/** A sentence of a passage, with its place. */
export interface Sentence {
  text: string;
  /** Index of its passage. */
  source: number;
  /** Place among the sentences of its passage. */
  ordinal: number;
  /** Range in the passage's text. */
  range: TextRange;
  words: readonly Word[];
  stems: ReadonlySet<string>;
}

/** Longest sentence that is quoted, code units. Longer ones are lists or tables without full stops. */
const MAX_SENTENCE = 700;
/** Content words that make a sentence worth quoting: a heading or a fragment at a chunk's edge has fewer. */
const MIN_WORDS = 2;
const LIST_MARKER = /^([-*+•‣>]|\d{1,3}[.)])\s+/;

/**
 * The sentences of the passages, in order and verbatim. What several passages share, as overlapping chunks do, is
 * there once; headings, fragments and what is too long to quote are left out.
 */
export function passageSentences(passages: readonly Passage[]): Sentence[] {
  const seen = new Set<string>();
  return passages.flatMap(({ text: passage }, source) => {
    const sentences: Sentence[] = [];
    sentenceRanges(passage).forEach((range, ordinal) => {
      let [start, end] = trimRange(passage, range);
      start += LIST_MARKER.exec(passage.slice(start, end))?.[0].length ?? 0;
      const text = passage.slice(start, end);
      const words = contentWords(text);
      if (text.length > MAX_SENTENCE || words.length < MIN_WORDS || seen.has(text)) return;
      seen.add(text);
      const stems = new Set(words.map(({ stem }) => stem));
      sentences.push({ text, source, ordinal, range: [start, end], words, stems });
    });
    return sentences;
  });
}
