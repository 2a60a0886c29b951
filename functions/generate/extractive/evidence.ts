import { contradicts } from './polarity.ts';
import type { Question } from './question.ts';
import type { Scored } from './score.ts';
import type { Sentence } from './sentences.ts';
import { contentWords } from './words.ts';

/**
 * What is taken off the meaning or word score of the best sentence. Ratios from a logistic regression on one half of
 * the questions of test/data/squad2-dev-slice; a number that is nowhere in the sentence, or a contradiction, decides alone.
 */
const MISSING_NUMBER = 1.4;
const CONTRADICTION = 1.4;
/** A name of the question that neither the passage nor its title has. */
const MISSING_NAME = 0.5;

/** Least evidence with which the sources count as answering; README.md has the curve behind the two values. */
const BY_MEANING = 0.4;
const BY_WORDS = 0.25;

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
  const lacksNumber = question.words.some(({ isNumber, stem }) => isNumber && !sentence.stems.has(stem));
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
export function suffices(value: number, best: Scored): boolean {
  return value >= (best.meaning === undefined ? BY_WORDS : BY_MEANING);
}
