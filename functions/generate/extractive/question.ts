import { type AnswerKind, askedKind } from './cues.ts';
import { contentWords, type Word } from './words.ts';

/** A question as the scores read it. */
export interface Question {
  text: string;
  words: readonly Word[];
  stems: ReadonlySet<string>;
  kind: AnswerKind | undefined;
}

export function readQuestion(text: string): Question {
  const words = contentWords(text);
  return { text, words, stems: new Set(words.map(({ stem }) => stem)), kind: askedKind(text) };
}
