import { expect, test } from 'vitest';
import { cleanLine, cleanText } from './clean.ts';

test.each([
  ['windows and old Mac line ends', 'a\r\nb\rc', 'a\nb\nc'],
  ['vertical tabs, NEL and line separators', 'a\u000bb\u0085c\u2028d', 'a\nb\nc\nd'],
  ['form feeds and paragraph separators', 'a\fb\u2029c', 'a\n\nb\n\nc'],
  ['tabs and no-break spaces', 'a\tb\u00a0c', 'a\tb\u00a0c'],
])('%s', (_, raw, clean) => {
  expect(cleanText(raw)).toBe(clean);
});

test.each([
  ['controls', 'a\u0000\u0007\u007f\u009fb'],
  ['terminal colours', '\u001b[1;31ma\u001b[0mb'],
  ['a soft hyphen', 'a\u00adb'],
  ['zero-width spaces and word joiners', 'a\u200b\u2060\u2063b'],
  ['byte order marks within', 'a\ufeffb'],
  ['directional marks, overrides and isolates', 'a\u200e\u202e\u2066\u2069\u061cb'],
  ['tags, which spell hidden text', 'a\u{e0001}\u{e0068}\u{e0069}\u{e007f}b'],
  ['fillers', 'a\u3164\uffa0\u115f\u034fb'],
  ['annotation marks and non-characters', 'a\ufff9\ufffb\uffff\u{1fffe}b'],
  ['joiners between letters that do not join', 'a\u200d\u200c\u200db'],
  ['variation selectors after Latin letters', 'a\ufe00\ufe01\u{e0100}b'],
])('removes %s', (_, raw) => {
  expect(cleanText(raw)).toBe('ab');
});

test.each([
  ['a family joined of three', '👩‍👩‍👧'],
  ['a heart in colour, a keycap, a skin tone', '❤️ 1️⃣ 👍🏽'],
  ['Persian with a non-joiner', 'می‌خواهم'],
  ['Devanagari with a joiner after the virama', 'क्‍ष'],
  ['an ideograph with its variant', '葛\u{e0100}'],
  ['accents as characters of their own', 'e\u0301'],
])('keeps %s', (_, text) => {
  expect(cleanText(text)).toBe(text);
});

test('hidden bytes in a run of variation selectors after an emoji: one is left', () => {
  expect(cleanText('🙂\ufe0f\ufe01\ufe02\u{e0150}!')).toBe('🙂\ufe0f!');
});

test('half a surrogate pair becomes a replacement character, a pair stays', () => {
  expect(cleanText('\ud83d a \udea2 🚢')).toBe('\ufffd a \ufffd 🚢');
});

test('what is clean stays as it is', () => {
  const once = cleanText('Größe\r\n\u202eabc 👩‍👩‍👧 \ud800');
  expect(cleanText(once)).toBe(once);
});

test('a line has single spaces and no ends', () => {
  expect(cleanLine('  The \n\t Normans\u200b ')).toBe('The Normans');
});
