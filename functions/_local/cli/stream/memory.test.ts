import { expect, test } from 'vitest';
import { type ReadingOptions, streamMemory } from './memory.ts';

/** Reads `a1 b1 a2`: lines of documents a and b; says which are published, and whether that was all. */
function reader(max?: number) {
  const memory = streamMemory(max);
  const places: string[] = [];
  function read(lines: string, options: ReadingOptions = {}, isEnd = true) {
    const reading = memory.begin(options);
    const published: string[] = [];
    for (const line of lines.split(' ').filter(Boolean)) {
      const [document = ''] = line;
      const place = reading.place(document, line);
      if (place === undefined) continue;
      places.push(`${line} ${place}`);
      published.push(line);
      reading.published(document, line);
    }
    return [published.join(' '), isEnd && reading.end()];
  }
  return { read, places };
}
const WHOLE = { whole: true };

test('of a stream that is all there each time, what is not where it was is published', () => {
  const { read, places } = reader();
  expect(read('a1 b1 a2', WHOLE)).toEqual(['a1 b1 a2', true]);
  expect(read('a1 b1 a2', WHOLE)).toEqual(['', true]);
  expect(read('a1 b1 a2 b2 c1', WHOLE)).toEqual(['b2 c1', true]);
  // Of other documents' lines nothing changes where a document's own are.
  expect(read('c1 b1 b2 a1 a2', WHOLE)).toEqual(['', true]);
  expect(read('a1 a3 a2', WHOLE)).toEqual(['a3 a2', true]);
  expect(read('a1 a3 a2', WHOLE)).toEqual(['', true]);
  expect(new Set(places).size).toBe(places.length);
});

test('back to what was before is a change, too', () => {
  const { read, places } = reader();
  for (const lines of ['a1', 'a2', 'a1']) {
    expect(read(lines, WHOLE)).toEqual([lines, true]);
    expect(read(lines, WHOLE)).toEqual(['', true]);
  }
  expect(read('b1 b2 b1', WHOLE)).toEqual(['b1 b2 b1', true]);
  expect(new Set(places).size).toBe(6);
});

test('what is last again, since what came after it is gone, is published by the next reading', () => {
  const { read } = reader();
  expect(read('a1 a2 b1', WHOLE)).toEqual(['a1 a2 b1', true]);
  expect(read('a1', WHOLE, false)).toEqual(['', false]);
  expect(read('a1 b1', WHOLE)).toEqual(['', false]);
  expect(read('a1 b1', WHOLE)).toEqual(['a1', true]);
  expect(read('a1', WHOLE)).toEqual(['', true]);
});

test('of any other stream, what is not the last of its document', () => {
  const { read, places } = reader();
  expect(read('a1 a2 b1')).toEqual(['a1 a2 b1', true]);
  expect(read('a1 b1')).toEqual(['a1', true]);
  expect(read('a2 a2 b1')).toEqual(['a2', true]);
  expect(new Set(places).size).toBe(5);
});

test('by the same time of change a line is the same event for another process; else it is another', () => {
  const [one, two, three] = [reader(), reader(), reader()];
  one.read('a1 a2', { ...WHOLE, modified: 'Monday' });
  two.read('a1 a2', { ...WHOLE, modified: 'Monday' });
  three.read('a1 a2', { ...WHOLE, modified: 'Tuesday' });
  expect(two.places).toEqual(one.places);
  expect(new Set([...one.places, ...three.places]).size).toBe(4);
  const [four, five] = [reader(), reader()];
  four.read('a1');
  five.read('a1');
  expect(four.places).not.toEqual(five.places);
});

test('what could not be published is said to be missing, and is published by the next reading', () => {
  const memory = streamMemory();
  const first = memory.begin(WHOLE);
  expect(first.place('a', 'a1')).toBeDefined();
  expect(first.place('b', 'b1')).toBeDefined();
  first.published('b', 'b1');
  expect(first.end()).toBe(false);
  const second = memory.begin(WHOLE);
  expect(second.place('b', 'b1')).toBeUndefined();
  expect(second.place('a', 'a1')).toBeDefined();
  second.published('a', 'a1');
  expect(second.end()).toBe(true);
});

test('remembers no more than it may', () => {
  const { read } = reader(6);
  read('a1 b1 c1 d1', WHOLE);
  expect(read('d1 c1 b1', WHOLE)).toEqual(['', true]);
  expect(read('a1', WHOLE)).toEqual(['a1', true]);
  // A document with more lines than all may have is forgotten, and does no harm.
  const many = 'a1 a2 a3 a4 a5 a6 a7';
  expect(read(many, WHOLE)[0]).toContain('a7');
  expect(read('b1', WHOLE)[1]).toBe(true);
});
