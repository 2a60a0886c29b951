import { expect, test } from 'vitest';
import { cutText } from './text.ts';

test('a short text stays as it is', () => {
  expect(cutText('knarr', 5)).toBe('knarr');
  expect(cutText('', 3)).toBe('');
});

test('a long text is cut, but not within a character', () => {
  expect(cutText('knarr', 4)).toBe('knar');
  expect(cutText('a🚢b', 2)).toBe('a');
  expect(cutText('a🚢b', 3)).toBe('a🚢');
});
