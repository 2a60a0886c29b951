import { expect, test } from 'vitest';
import { sentenceRanges, trimRange } from './sentences.ts';

const sentences = (text: string) =>
  sentenceRanges(text).map((range) => text.slice(...trimRange(text, range)));

test('the ranges cover the text without gaps', () => {
  const text = '  One sentence. Another!\n\nA heading\n\n- an item\n- another\r\n\r\nThe end';
  const ranges = sentenceRanges(text);
  expect(ranges.map(([start, end]) => text.slice(start, end)).join('')).toBe(text);
  expect(ranges[0]?.[0]).toBe(0);
});

test('abbreviations, initials and quoted speech do not end a sentence', () => {
  expect(sentences('Dr. Smith (c. 1066) met J. R. Tolkien in the U.S. Army. He left.')).toEqual([
    'Dr. Smith (c. 1066) met J. R. Tolkien in the U.S. Army.',
    'He left.',
  ]);
  expect(sentences('"Ready?" he said. "Yes."')).toEqual(['"Ready?" he said.', '"Yes."']);
});

test('a line wrapped by hand goes on, headings and items do not', () => {
  const wrapped =
    'The Normans were the people who in the tenth and\r\neleventh centuries gave their name to Normandy.';
  expect(sentences(wrapped)).toEqual([wrapped]);
  expect(
    sentences('History\nThe Normans came from the north of Europe in ships.\n- first\n- second'),
  ).toEqual(['History', 'The Normans came from the north of Europe in ships.', '- first', '- second']);
});

test('in a text without capitals small letters begin sentences', () => {
  const text =
    "the wing was tested at mach 2 . the flow, e.g. the wake of j. r. green's wing, was steady. see fig. 3.";
  expect(sentences(text)).toEqual([
    'the wing was tested at mach 2 .',
    "the flow, e.g. the wake of j. r. green's wing, was steady.",
    'see fig. 3.',
  ]);
  expect(sentences('A drop of approx. ten. of them.')).toEqual(['A drop of approx. ten. of them.']);
});

test('other scripts end their sentences too', () => {
  expect(sentences('今日は。元気です。')).toEqual(['今日は。', '元気です。']);
});

test('empty and blank texts', () => {
  expect(sentenceRanges('')).toEqual([]);
  expect(sentences(' \n ')).toEqual(['']);
});
