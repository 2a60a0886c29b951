import { contradicts } from './polarity.ts';
import type { Question } from './question.ts';
import type { Scored } from './score.ts';
import { type Sentence, says } from './sentences.ts';
import { contentWords } from './words.ts';

/**
 * What is taken off the meaning or word score of the best sentence, about as a logistic regression on the even half of
 * test/data/squad2-dev-slice weighs it: a number that is nowhere in the sentence, or a contradiction, decides alone.
 */
const MISSING_NUMBER = 1;
const CONTRADICTION = 1;
/** A name of the question that neither the passage nor its title has. */
const MISSING_NAME = 0.5;

/** With less the sources do not count as answering; docs/quality.md has the curve behind it. */
export const LEAST_EVIDENCE = 0.4;
/** Word scores run lower than cosines, by about this much. */
const WORDS_BELOW = 0.15;

/**
 * How well the best sentence holds up as an answer: its cosine (its word score when there is none), less what speaks
 * against it. `title` is that of its passage, `passage` the sentences it has.
 */
export function evidence(
  question: Question,
  best: Scored,
  passage: readonly Sentence[],
  title: string | null,
): number {
  const { sentence } = best;
  const titleStems = new Set(contentWords(title ?? '').map(({ stem }) => stem));
  const lacksNumber = question.words.some(({ isNumber, stem }) => isNumber && !says(sentence, stem));
  const lacksName = question.words.some(
    ({ isName, stem }) => isName && !titleStems.has(stem) && !passage.some(({ stems }) => stems.has(stem)),
  );
  return (
    (best.meaning ?? best.words) -
    (lacksNumber ? MISSING_NUMBER : 0) -
    (contradicts(question, sentence) ? CONTRADICTION : 0) -
    (lacksName ? MISSING_NAME : 0)
  );
}

/** Whether the sources answer the question at all. */
export function suffices(value: number, best: Scored, least: number): boolean {
  return value >= (best.meaning === undefined ? least - WORDS_BELOW : least);
}
