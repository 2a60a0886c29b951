import { expect, test } from 'vitest';
import { splitLines } from './lines.ts';

async function lines(parts: string[], maxBytes = 100) {
  const found: [number, string | undefined][] = [];
  const source = (async function* () {
    for (const part of parts) yield Buffer.from(part);
  })();
  for await (const { number, bytes } of splitLines(source, maxBytes)) {
    found.push([number, bytes && Buffer.from(bytes).toString()]);
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
    [1, undefined],
    [2, 'ab'],
    [3, undefined],
  ]);
  expect(await lines([])).toEqual([]);
});
