/** Answers measured against gold answers; token F1 and exact match as in SQuAD's own script (Rajpurkar et al. 2018). */

/** Lower case, without punctuation and articles, single spaces. */
export function normaliseAnswer(text: string): string {
  return text
    .toLowerCase()
    .replace(/\p{P}|[$+<=>^`|~]/gu, '')
    .replace(/\b(a|an|the)\b/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')
    .join(' ');
}

/** Whether some gold answer stands in the text word for word; case, articles and what is between words do not count. */
export function containsAnswer(text: string, gold: readonly string[]): boolean {
  const haystack = ` ${plainWords(text)} `;
  return gold.some((answer) => {
    const needle = plainWords(answer);
    return needle !== '' && haystack.includes(` ${needle} `);
  });
}

const plainWords = (text: string) =>
  (text.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [])
    .filter((word) => !['a', 'an', 'the'].includes(word))
    .join(' ');

/** 1 when the text is a gold answer after normalising, else 0. */
export function exactMatch(text: string, gold: readonly string[]): number {
  return gold.some((answer) => normaliseAnswer(answer) === normaliseAnswer(text)) ? 1 : 0;
}

/** F1 of the words shared with the best gold answer, in [0, 1]. */
export function tokenF1(text: string, gold: readonly string[]): number {
  return Math.max(0, ...gold.map((answer) => f1(words(text), words(answer))));
}

const words = (text: string) => normaliseAnswer(text).split(' ').filter(Boolean);

function f1(given: readonly string[], gold: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of gold) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of given) {
    const count = left.get(word) ?? 0;
    if (count > 0) shared++;
    left.set(word, count - 1);
  }
  return shared === 0 ? 0 : (2 * shared) / (given.length + gold.length);
}

export interface AnsweredQuestion {
  question: { passage: string; answers: readonly string[]; answerable: boolean };
  result: {
    answer: string;
    answered: boolean;
    citations: readonly { source: number; start: number; end: number }[];
    sources: readonly { document: string }[];
  };
}

/** All in [0, 1], or null where no question counts. */
export interface AnswerScores {
  questions: number;
  /** Of the answerable questions: the gold passage is among the sources. */
  passage_recall: number | null;
  /** Of the answerable questions: the answer contains a gold answer. */
  contains_gold: number | null;
  token_f1: number | null;
  exact_match: number | null;
  /** Of the citations in answers to answerable questions: to the gold passage. */
  citation_to_passage: number | null;
  /** Of these citations: the cited range contains a gold answer. */
  citation_to_answer: number | null;
  /** Of the answerable questions: it said that the sources do not answer. */
  abstained_wrongly: number | null;
  /** Of the unanswerable questions: it said that the sources do not answer. */
  abstained_rightly: number | null;
  /** Of the unanswerable questions: it answered all the same. */
  answered_wrongly: number | null;
}

/** Scores a set of questions. What was said instead of an answer counts as no answer. */
export function scoreAnswers(asked: readonly AnsweredQuestion[]): AnswerScores {
  const answerable = asked.filter(({ question }) => question.answerable);
  const unanswerable = asked.filter(({ question }) => !question.answerable);
  const citations = answerable.flatMap(({ question, result }) =>
    result.citations.map((citation) => ({ question, result, ...citation })),
  );
  const ofAnswer = (measure: (text: string, gold: readonly string[]) => number | boolean) =>
    mean(answerable, ({ question, result }) =>
      result.answered ? measure(result.answer, question.answers) : 0,
    );
  return {
    questions: asked.length,
    passage_recall: mean(answerable, ({ question, result }) =>
      result.sources.some(({ document }) => document === question.passage),
    ),
    contains_gold: ofAnswer(containsAnswer),
    token_f1: ofAnswer(tokenF1),
    exact_match: ofAnswer(exactMatch),
    citation_to_passage: mean(
      citations,
      ({ question, result, source }) => result.sources[source]?.document === question.passage,
    ),
    citation_to_answer: mean(citations, ({ question, result, start, end }) =>
      containsAnswer(result.answer.slice(start, end), question.answers),
    ),
    abstained_wrongly: mean(answerable, ({ result }) => !result.answered),
    abstained_rightly: mean(unanswerable, ({ result }) => !result.answered),
    answered_wrongly: mean(unanswerable, ({ result }) => result.answered),
  };
}

function mean<T>(items: readonly T[], value: (item: T) => number | boolean): number | null {
  if (items.length === 0) return null;
  return items.reduce((sum, item) => sum + Number(value(item)), 0) / items.length;
}
