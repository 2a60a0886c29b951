import { holdsAnswer } from './cues.ts';
import type { Question } from './question.ts';
import { type Sentence, says } from './sentences.ts';
import { rarity } from './words.ts';

/** A sentence with what speaks for it. */
export interface Scored {
  sentence: Sentence;
  /** How far its words are the question's, in about [0, 1.1]. */
  words: number;
  /** Cosine of its embedding and the question's; undefined until it was looked at. */
  meaning?: number;
}

/**
 * Weights of the word score: the best, or as good as the best, of a coarse grid on the even half of
 * test/data/squad2-dev-slice (`knarr eval` reports the halves). The result is flat around them.
 */
const OWN_WORDS = 0.7;
/** What a sentence is about is often said in the one before or after, or in its heading. */
const NEARBY_WORDS = 0.3;
/** For the first passage; the n-th gets a n-th of it. */
const PASSAGE_RANK = 0.1;
/** Taken off when the question asks for a number, time, place or person and the sentence has none to give. */
const MISSING_KIND = 0.1;

/** Scores by words: the share of the question's words, weighted by rarity, in the sentence and around it. */
export function scoreWords(question: Question, sentences: readonly Sentence[]): Scored[] {
  const weight = rarity(sentences.map(({ stems }) => stems));
  const weights = [...question.stems].map((stem) => [stem, weight(stem)] as const);
  const total = weights.reduce((sum, [, value]) => sum + value, 0);
  const share = (has: (stem: string) => boolean) =>
    total === 0 ? 0 : weights.reduce((sum, [stem, value]) => sum + (has(stem) ? value : 0), 0) / total;
  return sentences.map((sentence, index) => {
    const nearby = [
      sentence.heading,
      ...[sentences[index - 1], sentence, sentences[index + 1]].filter(
        (other) => other?.source === sentence.source,
      ),
    ];
    const words =
      OWN_WORDS * share((stem) => says(sentence, stem)) +
      NEARBY_WORDS * share((stem) => nearby.some((other) => other?.stems.has(stem))) +
      PASSAGE_RANK / (1 + sentence.source) -
      (holdsAnswer(question, sentence) ? 0 : MISSING_KIND);
    return { sentence, words };
  });
}

/** Both scores together; they weigh the same. */
export const total = ({ words, meaning }: Scored): number => words + (meaning ?? 0);

/** The best first. */
export function rank(scored: readonly Scored[]): Scored[] {
  return [...scored].sort((a, b) => total(b) - total(a));
}
