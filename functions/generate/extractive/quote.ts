import type { Citation, Passage } from '../../_shared/contracts.ts';
import type { TextRange } from '../../_shared/sentences.ts';
import type { Sentence } from './sentences.ts';

/** An answer made of quotations. */
export interface Quotation {
  answer: string;
  citations: Citation[];
}

const ENDS_SENTENCE = /\p{Sentence_Terminal}["'”’)\]]*$/u;

/**
 * Puts the sentences, given in the order of the sources, one after the other. Those that follow each other in a
 * passage are one quotation; each quotation is cited. What does not end like a sentence gets a line of its own.
 */
export function quote(passages: readonly Passage[], sentences: readonly Sentence[]): Quotation {
  const runs: { source: number; ordinal: number; range: TextRange }[] = [];
  for (const { source, ordinal, range } of sentences) {
    const last = runs.at(-1);
    if (last?.source === source && last.ordinal === ordinal - 1) {
      Object.assign(last, { ordinal, range: [last.range[0], range[1]] });
    } else runs.push({ source, ordinal, range });
  }
  let answer = '';
  const citations = runs.map(({ source, range }) => {
    if (answer !== '') answer += ENDS_SENTENCE.test(answer) ? ' ' : '\n';
    const start = answer.length;
    answer += passages[source]?.text.slice(...range) ?? '';
    return { source, start, end: answer.length };
  });
  return { answer, citations };
}
