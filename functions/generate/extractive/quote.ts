import type { Citation } from '../../_shared/contracts.ts';
import type { Sentence } from './sentences.ts';

/** An answer made of quotations. */
export interface Quotation {
  answer: string;
  citations: Citation[];
}

const ENDS_SENTENCE = /\p{Sentence_Terminal}["'”’)\]]*$/u;

/** Puts the sentences one after the other, each cited; what does not end like a sentence gets a line of its own. */
export function quote(sentences: readonly Sentence[]): Quotation {
  let answer = '';
  const citations = sentences.map(({ text, source }) => {
    if (answer !== '') answer += ENDS_SENTENCE.test(answer) ? ' ' : '\n';
    const start = answer.length;
    answer += text;
    return { source, start, end: answer.length };
  });
  return { answer, citations };
}
