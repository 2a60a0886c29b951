import { expect, test } from 'vitest';
import {
  type AnsweredQuestion,
  containsAnswer,
  exactMatch,
  normaliseAnswer,
  scoreAnswers,
  tokenF1,
} from './answers.ts';

test('normalises as SQuAD does', () => {
  expect(normaliseAnswer('  The Norman\'s, "Duchy"  of a King! ')).toBe('normans duchy of king');
});

test('a gold answer is found as whole words', () => {
  expect(containsAnswer('It lies in the North of France.', ['France'])).toBe(true);
  expect(containsAnswer('They spoke Francien.', ['Franc'])).toBe(false);
  expect(
    containsAnswer("In Rollo's time, the class DTIME(f(n)) of NP-problems, 75% of them", ['Rollo']),
  ).toBe(true);
  expect(containsAnswer('the class DTIME(f(n)), 75%', ['DTIME(f(n)) 75'])).toBe(true);
  expect(containsAnswer('King of the French', ['king of French'])).toBe(true);
  expect(containsAnswer('anything', ['the'])).toBe(false);
});

test('exact match and token F1 take the best gold answer', () => {
  expect(exactMatch('the 10th century', ['10th', '10th century'])).toBe(1);
  expect(exactMatch('10th century', ['11th century'])).toBe(0);
  // Two of three words given are in the gold's two: P 2/3, R 1.
  expect(tokenF1('in 10th century', ['10th century'])).toBeCloseTo(0.8);
  // A repeated word counts as often as the gold has it.
  expect(tokenF1('king king king', ['king john'])).toBeCloseTo(0.4);
  expect(tokenF1('nothing', ['x'])).toBe(0);
});

test('scores a set', () => {
  const sources = [{ document: 'a' }, { document: 'b' }];
  const answerable = { passage: 'a', answers: ['Rollo'], answerable: true };
  const asked: AnsweredQuestion[] = [
    {
      question: answerable,
      result: {
        answer: 'It was Rollo. Or not.',
        answered: true,
        citations: [
          { source: 0, start: 0, end: 13 },
          { source: 1, start: 14, end: 21 },
        ],
        sources,
      },
    },
    { question: answerable, result: { answer: 'No.', answered: false, citations: [], sources: [] } },
    {
      question: { passage: 'a', answers: [], answerable: false },
      result: { answer: 'No.', answered: false, citations: [], sources },
    },
  ];
  expect(scoreAnswers(asked)).toMatchObject({
    passage_recall: 0.5,
    contains_gold: 0.5,
    exact_match: 0,
    abstained_wrongly: 0.5,
    abstained_rightly: 1,
    answered_wrongly: 0,
    citation_to_passage: 0.5,
    citation_to_answer: 0.5,
  });
  expect(scoreAnswers(asked.slice(0, 2))).toMatchObject({ questions: 2, abstained_rightly: null });
});
