import { expect, test } from 'vitest';
import { lexicalText } from './text.ts';

test.each([
  ['The boundary-layer (input/output).', 'The boundary layer input output'],
  ['1066–1087 and 1066-1087', '1066 1087 and 1066 1087'],
  ['pi is 3.14159, v1.2.3 of 1,066,000 men. 5', 'pi is 3.14159 v1.2.3 of 1066000 men 5'],
  ['1,2 and 1,2345', '1 2 and 1 2345'],
  ['Hervé, Ångström, Đà Nẵng', 'Herve Angstrom Đa Nang'],
  ['user@example.org https://example.org/a_b?c=d', 'user example org https example org a b c d'],
  ['\0\u0007 \n', ''],
])('%j reads %j', (text, expected) => {
  expect(lexicalText(text)).toBe(expected);
});

test('signs that belong to letters stay with them', () => {
  for (const text of ['हिन्दी', 'العَرَبِيَّة', '한국어', 'ёй'])
    expect(lexicalText(text)).toBe(text.normalize('NFC'));
});

test('scripts without spaces are cut into words', () => {
  expect(lexicalText('北京是中国的首都').split(/\s+/)).toEqual(expect.arrayContaining(['北京', '首都']));
  expect(lexicalText('กรุงเทพเป็นเมืองหลวง').split(/\s+/).length).toBeGreaterThan(1);
});

test('long runs of one thing stay in proportion', () => {
  for (const part of ['a', '.', ' ', '1,', '́', '京', 'á.']) {
    const text = part.repeat(200_000);
    expect(lexicalText(text).length).toBeLessThanOrEqual(text.length * 2 + 2);
  }
});
