import { expect, test } from 'vitest';
import { citationsOf, createCitationFilter } from './citations.ts';

function filter(pieces: readonly string[], sources: number) {
  const checked = createCitationFilter(sources);
  const out = pieces.map((piece) => checked.write(piece));
  out.push(checked.end());
  return { out, text: out.join(''), unknown: [...checked.unknown] };
}

test.each([
  ['A [1] and B [2].', 'A [1] and B [2].', []],
  ['A [3]. B [1].', 'A. B [1].', [3]],
  ['A [1, 3; 2].', 'A [1, 2].', [3]],
  ['A[4][5]', 'A', [4, 5]],
  [' \n A [0] [1]', 'A [1]', [0]],
  ['array[i] and [note] and [12345]', 'array[i] and [note] and [12345]', []],
  ['ends open [', 'ends open [', []],
  ['ends open [1', 'ends open [1', []],
])('%j of two sources is %j', (text, expected, unknown) => {
  expect(filter([text], 2)).toMatchObject({ text: expected, unknown });
  // However it is cut into pieces, the text is the same.
  for (let size = 1; size <= 4; size++) {
    const pieces = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
    expect(filter(pieces, 2), `pieces of ${size}`).toMatchObject({ text: expected, unknown });
  }
});

test('text is held back only where a marker may come', () => {
  expect(filter(['Rollo', ' led', ' [1', '] them'], 1).out).toEqual(['Rollo', ' led', '', ' [1] them', '']);
});

test.each<[string, [number, string][]]>([
  ['Rollo led them [1].', [[0, 'Rollo led them']]],
  [
    'Rollo led them [1]. He died [2].',
    [
      [0, 'Rollo led them'],
      [1, 'He died'],
    ],
  ],
  [
    'Rollo led [1], not William [2].',
    [
      [0, 'Rollo led'],
      [1, 'not William'],
    ],
  ],
  [
    'Rollo led them. [1][2] Later he died.',
    [
      [0, 'Rollo led them.'],
      [1, 'Rollo led them.'],
    ],
  ],
  ['Before. Rollo led [2, 2].', [[1, 'Rollo led']]],
  ['[1] Rollo led them.', []],
  ['Dr. J. Smith of the U.S. wrote it [1].', [[0, 'Dr. J. Smith of the U.S. wrote it']]],
])('the citations of %j', (answer, expected) => {
  const citations = citationsOf(answer).map(({ source, start, end }) => [source, answer.slice(start, end)]);
  expect(citations).toEqual(expected);
});
