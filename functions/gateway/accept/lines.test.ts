import { expect, test } from 'vitest';
import { bodies } from '../limits/bodies.ts';
import { splitLines } from './lines.ts';

async function lines(parts: string[], maxBytes = 100, all = bodies(100)) {
  const found: [number, string][] = [];
  const source = (async function* () {
    for (const part of parts) yield Buffer.from(part);
  })();
  for await (const line of splitLines(source, maxBytes, all.open())) {
    found.push([line.number, 'bytes' in line ? Buffer.from(line.bytes).toString() : line.refusal.code]);
  }
  return found;
}

test('splits wherever the stream is cut, and counts blank lines', async () => {
  const text = '{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}';
  const expected = [
    [1, '{"a":1}'],
    [4, '{"b":2}\r'],
    [5, '{"c":3}'],
  ];
  for (let cut = 0; cut <= text.length; cut++) {
    expect(await lines([text.slice(0, cut), text.slice(cut)])).toEqual(expected);
  }
  expect(await lines([...text])).toEqual(expected);
});

test('a line that is too long is skipped, not the ones after it', async () => {
  expect(await lines(['x'.repeat(7), 'x'.repeat(7), '\nab\n', 'y'.repeat(11)], 10)).toEqual([
    [1, 'too_large'],
    [2, 'ab'],
    [3, 'too_large'],
  ]);
  expect(await lines([])).toEqual([]);
});

test('a line for which there is no room beside other bodies is skipped, and what lines took is given back', async () => {
  const all = bodies(10);
  const other = all.open();
  other.grow(6);
  expect(await lines(['ab\n123', '45\ncde\n', 'f'], 100, all)).toEqual([
    [1, 'ab'],
    [2, 'too_many_requests'],
    [3, 'cde'],
    [4, 'f'],
  ]);
  other.grow(4);
  other.end();
  // Whoever is alone has its own limit.
  expect(await lines(['12345678901\n'], 100, all)).toEqual([[1, '12345678901']]);
});
