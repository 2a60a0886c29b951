import { expect, test } from 'vitest';
import { createTextStream } from './text-stream.ts';

/** Tokens are bytes, as in the worst case of a byte-level vocabulary. */
const decode = (tokens: number[]) => new TextDecoder().decode(Uint8Array.from(tokens));
const bytes = (text: string) => [...new TextEncoder().encode(text)];

function run(text: string | number[], stop: string[] = []) {
  const stream = createTextStream(decode, stop);
  const pieces: string[] = [];
  for (const token of typeof text === 'string' ? bytes(text) : text) {
    pieces.push(stream.push(token));
    if (stream.stopped) break;
  }
  pieces.push(stream.end());
  return { pieces, text: pieces.join(''), stopped: stream.stopped };
}

test('characters of several bytes come whole', () => {
  const text = 'é 漢字 🦜 é!';
  const { pieces, text: out } = run(text);
  expect(out).toBe(text);
  expect(pieces.join('')).not.toContain('\ufffd');
  for (const piece of pieces) expect(Buffer.from(piece).toString()).toBe(piece);
});

test('bytes that never become a character are shown as such, not lost', () => {
  expect(run([0x41, 0xc3, 0x42, 0xff]).text).toBe('A\ufffdB\ufffd');
});

test.each([
  { text: 'one STOP two', stop: ['STOP'], out: 'one ', stopped: true },
  { text: 'one STO two', stop: ['STOP'], out: 'one STO two', stopped: false },
  { text: 'abcabd', stop: ['abd', 'cab'], out: 'ab', stopped: true },
  { text: 'ends with ST', stop: ['STOP'], out: 'ends with ST', stopped: false },
  { text: 'aab', stop: ['ab'], out: 'a', stopped: true },
  { text: '漢字。後', stop: ['。'], out: '漢字', stopped: true },
])('$text with stop $stop gives $out', ({ text, stop, out, stopped }) => {
  const result = run(text, stop);
  expect(result.text).toBe(out);
  expect(result.stopped).toBe(stopped);
});

test('no piece holds the beginning of a stop string that came', () => {
  const { pieces } = run('hello\nUser: hi', ['\nUser:']);
  expect(pieces.filter((piece) => piece !== '').join('|')).toBe('h|e|l|l|o');
});

test('a decoder that drops the first space keeps the spaces between pieces', () => {
  const words = ['▁a', '▁b', 'c', '▁d'];
  const metaspace = (tokens: number[]) =>
    tokens
      .map((token) => words[token])
      .join('')
      .replaceAll('▁', ' ')
      .replace(/^ /, '');
  const stream = createTextStream(metaspace, []);
  expect([0, 1, 2, 3].map((token) => stream.push(token)).join('') + stream.end()).toBe('a bc d');
});
