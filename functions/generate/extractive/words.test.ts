import { expect, test } from 'vitest';
import { passageOf } from '../samples.ts';
import { askedKind, holdsAnswer } from './cues.ts';
import { contradicts } from './polarity.ts';
import { readQuestion } from './question.ts';
import { passageSentences } from './sentences.ts';
import { contentWords, rarity, stem } from './words.ts';

const sentenceOf = (text: string) => {
  const [sentence] = passageSentences([passageOf(text)]);
  if (!sentence) throw new Error(`No sentence in ${text}`);
  return sentence;
};

test.each([
  ['conquered', 'conquering', 'conqueror'],
  ['invade', 'invaded', 'invades'],
  ['stopped', 'stopping', 'stops'],
  ['city', 'cities', 'cities'],
  ['population', 'populations', 'populations'],
])('%s, %s and %s have one stem', (...words) => {
  expect(new Set(words.map(stem)).size).toBe(1);
});

test('words are compared without case, accents and separators of thousands', () => {
  expect(contentWords('The Hervé of 1,066 men').map((word) => word.stem)).toEqual(['herv', '1066', 'men']);
  expect(contentWords('In Rome 12').map(({ isName, isNumber }) => [isName, isNumber])).toEqual([
    [true, false],
    [false, true],
  ]);
});

test('a rare stem weighs more than a common one, an unknown one most', () => {
  const weight = rarity([new Set(['a', 'b']), new Set(['a']), new Set(['a', 'c'])]);
  expect(weight('b')).toBeGreaterThan(weight('a'));
  expect(weight('z')).toBeGreaterThan(weight('b'));
});

test.each([
  ['How many Normans came?', 'number', 'Rollo came with 300 men.', 'Rollo came with his men.'],
  ['When did Rollo come?', 'time', 'Rollo came in 911.', 'Rollo came late.'],
  ['Where did Rollo land?', 'place', 'Rollo landed near Rouen.', 'Rollo landed on the beach.'],
  ['Who followed Rollo?', 'person', 'After Rollo came William.', 'After him came Rollo alone.'],
])('%s asks for a %s', (question, kind, yes, no) => {
  expect(askedKind(question)).toBe(kind);
  expect(holdsAnswer(readQuestion(question), sentenceOf(yes))).toBe(true);
  expect(holdsAnswer(readQuestion(question), sentenceOf(no))).toBe(false);
});

test.each([
  ['How can graphs be encoded indirectly?', 'Graphs can be encoded directly by matrices.', true],
  ['What is the best case complexity?', 'The complexity is usually its worst case.', true],
  ['Which prime is not odd?', 'Every odd prime is larger than two.', true],
  ['Which prime is not odd?', 'Two is the only prime that is not odd.', false],
  ['How can graphs be encoded?', 'Graphs can be encoded directly by matrices.', false],
])('%s / %s: contradiction %s', (question, sentence, expected) => {
  expect(contradicts(readQuestion(question), sentenceOf(sentence))).toBe(expected);
});

test('sentences keep their place; headings, repeats and endless ones are left out', () => {
  const text = `Intro\n\n- The first item is here.\nThe second sentence stands here. ${'Word '.repeat(200)}.`;
  const sentences = passageSentences([passageOf(text), passageOf('The first item is here.')]);
  expect(sentences.map((sentence) => sentence.text)).toEqual([
    'The first item is here.',
    'The second sentence stands here.',
  ]);
  for (const sentence of sentences) expect(text.slice(...sentence.range)).toBe(sentence.text);
});

test('a heading is what the sentences below it stand under, and is not quoted', () => {
  const text =
    'Ships and crews\n\nThe knarr carried cargo.\n- Oars of ash\n\nThe crew\n\nIt was small and fast.\nTwelve men at most';
  const sentences = passageSentences([passageOf(text, { headings: ['Norse life', 'Seafaring'] })]);
  expect(sentences.map(({ text, heading, before }) => [text, heading?.text, before])).toEqual([
    ['The knarr carried cargo.', 'Ships and crews', []],
    ['Oars of ash', 'Ships and crews', []],
    ['It was small and fast.', 'The crew', []],
    ['Twelve men at most', 'The crew', []],
  ]);
  expect(
    passageSentences([passageOf('Longships raided.', { headings: ['Norse life', 'War'] })]),
  ).toMatchObject([{ heading: { text: 'War' } }]);
});

test('of a sentence too long to quote its clauses are there', () => {
  const clause = (name: string) => `the ${name} party ${'shall pay rent '.repeat(25)}`.trim();
  const text = `${clause('First')};\n${clause('second')}; ${clause('third')}.`;
  expect(passageSentences([passageOf(text)]).map(({ text }) => text)).toEqual([
    `${clause('First')};`,
    `${clause('second')};`,
    `${clause('third')}.`,
  ]);
});

test('a sentence that refers back knows what it needs', () => {
  const first = 'The knarr was a Norse ship.';
  const passage = `${first} It carried cargo. It crossed the Atlantic. It reached Greenland. Longships were faster.`;
  const sentences = passageSentences([passageOf(first), passageOf(passage)]);
  expect(
    sentences.map(({ text, before }) => [text, before.map(({ source, ordinal }) => [source, ordinal])]),
  ).toEqual([
    [first, []],
    ['It carried cargo.', [[0, 0]]],
    // The second sentence of the second passage is the first one that is new there.
    [
      'It crossed the Atlantic.',
      [
        [0, 0],
        [1, 1],
      ],
    ],
    [
      'It reached Greenland.',
      [
        [1, 1],
        [1, 2],
      ],
    ],
    ['Longships were faster.', []],
  ]);
});
