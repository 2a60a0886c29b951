/** Answers and text measured against gold answers, as SQuAD's evaluation script does (Rajpurkar et al. 2018). */

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

/** Whether some gold answer stands in the text, as whole words after normalising. */
export function containsAnswer(text: string, gold: readonly string[]): boolean {
  const haystack = ` ${normaliseAnswer(text)} `;
  return gold.some((answer) => {
    const needle = normaliseAnswer(answer);
    return needle !== '' && haystack.includes(` ${needle} `);
  });
}

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

/** All in [0, 1]; NaN where no question counts. */
export interface AnswerScores {
  /** Of the answerable questions: the gold passage is among the sources. */
  passageRecall: number;
  /** Of the answerable questions: the answer contains a gold answer. */
  containsGold: number;
  tokenF1: number;
  exactMatch: number;
  /** Of the answerable questions: it said that the sources do not answer. */
  abstainedWrongly: number;
  /** Of the unanswerable questions: it said that the sources do not answer. */
  abstainedRightly: number;
  /** Of the citations in answers to answerable questions: to the gold passage. */
  citationToPassage: number;
  /** Of these citations: the cited range contains a gold answer. */
  citationToAnswer: number;
}

/** Scores a whole set of questions. */
export function scoreAnswers(asked: readonly AnsweredQuestion[]): AnswerScores & Record<string, number> {
  const answerable = asked.filter(({ question }) => question.answerable);
  const unanswerable = asked.filter(({ question }) => !question.answerable);
  const citations = answerable.flatMap(({ question, result }) =>
    result.citations.map((citation) => ({ question, result, ...citation })),
  );
  return {
    passageRecall: mean(answerable, ({ question, result }) =>
      result.sources.some(({ document }) => document === question.passage),
    ),
    containsGold: mean(
      answerable,
      ({ question, result }) => result.answered && containsAnswer(result.answer, question.answers),
    ),
    tokenF1: mean(answerable, ({ question, result }) =>
      result.answered ? tokenF1(result.answer, question.answers) : 0,
    ),
    exactMatch: mean(answerable, ({ question, result }) =>
      result.answered ? exactMatch(result.answer, question.answers) : 0,
    ),
    abstainedWrongly: mean(answerable, ({ result }) => !result.answered),
    abstainedRightly: mean(unanswerable, ({ result }) => !result.answered),
    citationToPassage: mean(
      citations,
      ({ question, result, source }) => result.sources[source]?.document === question.passage,
    ),
    citationToAnswer: mean(citations, ({ question, result, start, end }) =>
      containsAnswer(result.answer.slice(start, end), question.answers),
    ),
  };
}

function mean<T>(items: readonly T[], value: (item: T) => number | boolean): number {
  return items.reduce((sum, item) => sum + Number(value(item)), 0) / items.length;
}
