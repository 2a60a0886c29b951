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
  /** What it needs in front of it to be understood: nothing, or the sentence that its first word refers back to, with what that one needs. */
  before: readonly Sentence[];
  /** What it stands under. */
  heading: Heading | undefined;
}

/** Says what the sentences below it are about, and nothing by itself: it is never quoted. */
export interface Heading {
  text: string;
  stems: ReadonlySet<string>;
}

/** Longest sentence that is quoted, code units. Of a longer one its clauses are. */
const MAX_SENTENCE = 700;
const CLAUSE_END = /(?<=[;:])\s+|\s*\n\s*/g;
/** Content words that make a sentence worth quoting: a heading or a fragment at a chunk's edge has fewer. */
const MIN_WORDS = 2;
/** Longest heading, code units. */
const MAX_HEADING = 120;
/** A line of its own, with more below it, that ends like no sentence and is no item or row. */
const HEADING = /^(#{1,6}\s+)?(?![-*+•‣>|]|\d{1,3}[.)]\s)[^\n|]*[^\s|.!?…;:。！？][\p{Pe}\p{Pf}"'*_`]*$/u;
const MORE_BELOW = /^[^\S\n]*\n\s*\n\s*\S/;
/** Sentences that one may need before it; a pronoun whose noun is further back stays unexplained. */
const MAX_BEFORE = 2;
const LIST_MARKER = /^([-*+•‣>]|\d{1,3}[.)])\s+/;
/** Begins with a word that stands for something said before. */
const REFERS_BACK =
  /^["'“(]?(he|she|it|they|his|her|hers|its|their|theirs|this|these|those|that|such|both|the latter|the former)\b/i;

/**
 * The sentences of the passages, in order and verbatim. What several passages share, as overlapping chunks do, is
 * there once; headings, fragments and what is too long to quote are left out.
 */
export function passageSentences(passages: readonly Passage[]): Sentence[] {
  const seen = new Map<string, Sentence>();
  passages.forEach(({ text: passage, headings }, source) => {
    let last: Sentence | undefined;
    let heading = headingOf(headings.at(-1));
    sentenceRanges(passage)
      .flatMap((range) => clauses(passage, range))
      .forEach((range, ordinal) => {
        let [start, end] = trimRange(passage, range);
        if (isHeading(passage.slice(start, end), passage.slice(end))) {
          heading = headingOf(passage.slice(start, end));
          last = undefined;
          return;
        }
        start += LIST_MARKER.exec(passage.slice(start, end))?.[0].length ?? 0;
        const text = passage.slice(start, end);
        const previous = last;
        last = seen.get(text);
        if (last) return;
        const words = contentWords(text);
        if (text.length > MAX_SENTENCE || words.length < MIN_WORDS) return;
        const stems = stemsOf(words);
        const before =
          previous && REFERS_BACK.test(text) ? [...previous.before, previous].slice(-MAX_BEFORE) : [];
        last = { text, source, ordinal, range: [start, end], words, stems, before, heading };
        seen.set(text, last);
      });
  });
  return [...seen.values()];
}

const stemsOf = (words: readonly Word[]): Set<string> => new Set(words.map(({ stem }) => stem));

const isHeading = (text: string, after: string): boolean =>
  text.length <= MAX_HEADING && HEADING.test(text) && MORE_BELOW.test(after);

const headingOf = (text: string | undefined): Heading | undefined =>
  text === undefined ? undefined : { text, stems: stemsOf(contentWords(text)) };

function clauses(passage: string, [start, end]: TextRange): TextRange[] {
  const sentence = passage.slice(start, end);
  if (sentence.length <= MAX_SENTENCE) return [[start, end]];
  const cuts = [...sentence.matchAll(CLAUSE_END)].map(({ index }) => start + index);
  return [start, ...cuts].map((from, index) => [from, cuts[index] ?? end]);
}

/**
 * What to embed for a question with these stems: the sentence, behind those it needs from the first on that says
 * something of the question which it leaves out, and behind its heading when it takes up the question by itself. What
 * adds nothing would only blur its meaning.
 */
export function textFor(asked: ReadonlySet<string>, { before, heading, text, stems }: Sentence): string {
  const adds = (one: { stems: ReadonlySet<string> }) =>
    [...asked].some((stem) => !stems.has(stem) && one.stems.has(stem));
  const first = before.findIndex(adds);
  const needed = first === -1 ? [] : before.slice(first);
  const isAbout = [...asked].some((stem) => stems.has(stem));
  return [...(isAbout && heading && adds(heading) ? [heading] : []), ...needed, { text }]
    .map((one) => one.text)
    .join(' ');
}

/** Whether a stem is in the sentence or in one that it needs. */
export const says = ({ before, stems }: Sentence, stem: string): boolean =>
  stems.has(stem) || before.some((sentence) => sentence.stems.has(stem));
