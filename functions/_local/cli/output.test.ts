import { afterEach, expect, test, vi } from 'vitest';
import { bar, createOutput, link, milliseconds, plain } from './output.ts';

let written: string;
afterEach(() => vi.restoreAllMocks());
function output(json: boolean) {
  written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
  return createOutput(json);
}

test('what documents say cannot steer the terminal', () => {
  const steering = 'a\u001b[31mred\u0007\u009b2J\r\u0000\tb\nc\u007f';
  expect(plain(steering)).toBe('a[31mred2J\tb\nc');
  expect(link(steering, 'file:///x')).toBe('a[31mred2J\tb\nc');
  const out = output(false);
  out.write(steering);
  out.table(['head'], [[steering]]);
  expect(written).not.toMatch(/[\u0007\u001b\u007f-\u009f\r]/);
});

test('text mode writes text alone, JSON mode one document on each line', () => {
  const text = output(false);
  text.data({ a: 1 });
  text.text('line');
  expect(written).toBe('line\n');

  const json = output(true);
  json.text('line');
  json.write('token');
  json.table(['head'], [['cell']]);
  json.data({ a: 'two\nlines' });
  expect(written).toBe('{"a":"two\\nlines"}\n');
});

test('a table is plain columns without trailing spaces', () => {
  output(false).table(
    ['id', 'chunks'],
    [
      ['long-name', 3],
      ['x', 12],
    ],
  );
  expect(written).toBe('id         chunks\nlong-name  3\nx          12\n');
});

test.each([
  [0.123, '0.1 ms'],
  [42.4, '42 ms'],
  [1234, '1.23 s'],
])('%d ms is %s', (value, shown) => expect(milliseconds(value)).toBe(shown));

test.each([
  [0, '[░░░░]'],
  [0.5, '[██░░]'],
  [7, '[████]'],
])('a bar of %d', (share, shown) => expect(bar(share, 4)).toBe(shown));
