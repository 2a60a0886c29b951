import { expect, test } from 'vitest';
import type { Hit } from '../_shared/contracts.ts';
import type { ChunkRow } from '../_shared/stores/documents/records.ts';
import { assemble, toPassages } from './passages.ts';

const TEXT =
  'The canoe was built in spring. It crossed the lake in June. Nobody has seen it since. The oars remain.';

/** A chunk of TEXT. */
function row(document: string, chunk: number, start: number, end: number, version = 1): ChunkRow {
  return {
    document,
    version,
    chunk,
    text: TEXT.slice(start, end),
    start,
    end,
    headings: [`heading ${chunk}`],
    tokens: 5,
    collection: 'default',
    generation: 'g',
    title: 'Canoes',
    uri: null,
    metadata: { lang: 'en' },
    acl: ['*'],
  };
}
/** Chunks that overlap their neighbours by ten characters. */
const rows = [0, 20, 40, 60, 80].map((start, chunk) =>
  row('a', chunk, start, Math.min(start + 30, TEXT.length)),
);
const hit = (chunk: number, score: number, document = 'a', version = 1): Hit => ({
  document,
  version,
  chunk,
  score,
});

test('without neighbours each hit is a passage, best first, even beside another', () => {
  const { passages, dropped } = toPassages([hit(1, 0.5), hit(2, 0.9), hit(4, 0.7)], rows, 0);
  expect(passages.map(({ chunk, score }) => [chunk, score])).toEqual([
    [2, 0.9],
    [4, 0.7],
    [1, 0.5],
  ]);
  expect(passages[0]).toEqual({
    document: 'a',
    version: 1,
    title: 'Canoes',
    uri: null,
    chunk: 2,
    range: [40, 70],
    headings: ['heading 2'],
    metadata: { lang: 'en' },
    text: TEXT.slice(40, 70),
    score: 0.9,
  });
  expect(dropped).toBe(0);
});

test('equal scores keep the order of the hits; the same hit twice is one passage', () => {
  const { passages, dropped } = toPassages([hit(4, 0), hit(0, 0), hit(4, 0), hit(2, 0)], rows, 0);
  expect(passages.map(({ chunk }) => chunk)).toEqual([4, 0, 2]);
  expect(dropped).toBe(0);
});

test('hits without a chunk are dropped and counted', () => {
  const { passages, dropped } = toPassages(
    [hit(0, 1), hit(9, 2), hit(0, 3, 'a', 2), hit(0, 4, 'b')],
    rows,
    0,
  );
  expect(passages.map(({ chunk }) => chunk)).toEqual([0]);
  expect(dropped).toBe(3);
});

test('a neighbour of a dropped hit is no passage', () => {
  expect(toPassages([hit(5, 1)], rows, 1)).toEqual({ passages: [], dropped: 1 });
});

test('neighbours are added, and a window stops at the ends of the document', () => {
  const { passages } = toPassages([hit(0, 1)], rows, 1);
  expect(passages).toMatchObject([
    { chunk: 0, range: [0, 50], text: TEXT.slice(0, 50), headings: ['heading 0'] },
  ]);
});

test('windows that overlap or touch become one passage with the best score and its headings', () => {
  const { passages } = toPassages([hit(0, 0.2), hit(3, 0.8)], rows, 1);
  expect(passages).toMatchObject([
    { chunk: 0, range: [0, TEXT.length], text: TEXT, score: 0.8, headings: ['heading 3'] },
  ]);
});

test('windows of different documents stay apart', () => {
  const other = rows.map((each) => ({ ...each, document: 'b' }));
  const { passages } = toPassages([hit(0, 0.2), hit(1, 0.8, 'b')], [...rows, ...other], 1);
  expect(passages.map(({ document, range }) => [document, range])).toEqual([
    ['b', [0, 70]],
    ['a', [0, 50]],
  ]);
});

test('assembled text is exactly the range, whatever the overlaps and gaps of white space', () => {
  const seed = Date.now() % 100_000;
  let state = seed;
  // Park and Miller's minimal standard generator.
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let round = 0; round < 200; round++) {
    const words = Array.from({ length: 40 }, () => 'x'.repeat(1 + random(8)));
    const text = words.join('\n');
    const run: { text: string; start: number; end: number }[] = [];
    let at = 0;
    while (at < text.length) {
      const start = Math.max(run.at(-1)?.start ?? 0, at - random(10));
      const end = Math.min(text.length, at + 1 + random(30));
      run.push({ text: text.slice(start, end), start, end });
      at = text[end] === '\n' && random(2) === 0 ? end + 1 : end;
    }
    const end = run.at(-1)?.end ?? 0;
    expect(assemble(run), `seed ${seed}, round ${round}`).toEqual({
      text: text.slice(0, end),
      range: [0, end],
    });
  }
});
