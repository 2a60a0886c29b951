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
    passageRecall: 0.5,
    containsGold: 0.5,
    exactMatch: 0,
    abstainedWrongly: 0.5,
    abstainedRightly: 1,
    citationToPassage: 0.5,
    citationToAnswer: 0.5,
  });
});
