import type { Question } from './question.ts';
import { type Sentence, says } from './sentences.ts';
import { contentWords } from './words.ts';

const NEGATION = /\b(not|no|never|none|nor|neither|without|cannot|except)\b|n['’]t\b/i;
const OPPOSITES =
  'best worst|first last|early late|largest smallest|large small|high low|highest lowest|maximum minimum|upper lower|' +
  'increase decrease|simple complex|simplicity complexity|easy difficult|easy hard|direct indirect|always never|north south|east west|northern southern|' +
  'eastern western|strong weak|rich poor|old new|long short|fast slow|better worse|positive negative|success failure|win lose|accept reject|known unknown|' +
  'open closed|private public|male female|allow forbid|begin end|include exclude|restricted unlimited|similar different';

const opposites = new Map<string, Set<string>>();
for (const pair of OPPOSITES.split('|')) {
  const [one, other] = pair.split(' ').map((word) => contentWords(word)[0]?.stem ?? word) as [string, string];
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const)
    opposites.set(from, (opposites.get(from) ?? new Set()).add(to));
}
const NEGATIVE_PREFIX = /^(un|in|im|ir|non|dis)(?=\p{L}{4})/u;

/**
 * Whether the question turns what the sentence says into its opposite: one of them negates and the other does not, or
 * the sentence has the opposite of a word of the question (*indirectly* for *directly*) instead of the word.
 */
export function contradicts(question: Question, sentence: Sentence): boolean {
  if (NEGATION.test(question.text) && !NEGATION.test(sentence.text)) return true;
  return [...question.stems].some((stem) => !says(sentence, stem) && hasOpposite(stem, sentence.stems));
}

function hasOpposite(stem: string, stems: ReadonlySet<string>): boolean {
  for (const other of opposites.get(stem) ?? []) if (stems.has(other)) return true;
  const positive = stem.replace(NEGATIVE_PREFIX, '');
  if (positive !== stem && stems.has(positive)) return true;
  return ['un', 'in', 'im', 'ir', 'non', 'dis'].some((prefix) => stems.has(prefix + stem));
}
