import type { Question } from './question.ts';
import type { Sentence } from './sentences.ts';

/** What kind of thing a question asks for. */
export type AnswerKind = 'number' | 'time' | 'place' | 'person';

const WORDINGS: [RegExp, AnswerKind][] = [
  [
    /\bhow (many|much|long|old|far|large|big|tall|high)\b|\bwhat (percent|percentage|number|amount|proportion|fraction)\b/i,
    'number',
  ],
  [/\bwhen\b|\b(what|which) (year|century|date|day|month|decade|time)/i, 'time'],
  [
    /\bwhere\b|\b(what|which) (countr|cit(y|ies)|region|place|state|count(y|ies)|continent|location|town|village)/i,
    'place',
  ],
  [/\bwho(m|se)?\b|\b(what|which) (person|king|queen|leader|author|president|emperor|scientist)/i, 'person'],
];
const NUMBER_WORDS =
  /\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million|billion|half|third|quarter|dozen|percent|several|once|twice)\b/gi;
const TIME_WORDS =
  /centur|decade|\b(january|february|march|april|may|june|july|august|september|october|november|december|(mon|tues|wednes|thurs|fri|satur|sun)day)\b/i;

/** The kind asked for, when the wording tells (in English; a question in another language gets no cue). */
export function askedKind(question: string): AnswerKind | undefined {
  return WORDINGS.find(([wording]) => wording.test(question))?.[1];
}

/** Whether the sentence holds something of the kind asked for that the question does not say itself. */
export function holdsAnswer({ kind, text, stems }: Question, sentence: Sentence): boolean {
  if (kind === undefined) return true;
  const fresh = sentence.words.filter((word) => !stems.has(word.stem));
  const hasNumber = fresh.some(({ isNumber }) => isNumber);
  if (kind === 'time') return hasNumber || TIME_WORDS.test(sentence.text);
  if (kind === 'number') {
    const asked = text.toLowerCase();
    return (
      hasNumber ||
      (sentence.text.match(NUMBER_WORDS) ?? []).some((word) => !asked.includes(word.toLowerCase()))
    );
  }
  return fresh.some(({ isName }) => isName);
}
