import { expect, test } from 'vitest';
import type { Filter } from '../../../filter.ts';
import { mulberry32 } from '../../../random.ts';
import type { VectorStore } from '../port.ts';
import { matches, randomFilters } from '../testing.ts';
import { finder, point, scopeOf } from './fixtures.ts';

/** Which metadata a filter lets through. */
export function filtersContract(store: () => VectorStore): void {
  const find = finder(store);

  const filters: [string, Filter, string[]][] = [
    ['equality', { eq: { lang: 'en' } }, ['a', 'c']],
    ['equality of several fields', { eq: { lang: 'en', year: 2020 } }, ['a']],
    ['a boolean', { eq: { draft: true } }, ['b']],
    ['a member of an array', { eq: { tags: 'x' } }, ['a', 'b']],
    ['any of', { in: { year: [2020, 2021] } }, ['a', 'b']],
    ['a number range', { range: { year: { gte: 2021, lt: 2023 } } }, ['b', 'c']],
    ['a string range', { range: { day: { gt: '2020-01-01', lte: '2021-06-30' } } }, ['b']],
    ['and', { and: [{ eq: { lang: 'en' } }, { range: { year: { gt: 2020 } } }] }, ['c']],
    ['or', { or: [{ eq: { lang: 'de' } }, { eq: { year: 2022 } }] }, ['b', 'c']],
    ['not, which holds where the field is missing', { not: { eq: { tags: 'x' } } }, ['c', 'd']],
    ['a range over another type', { range: { lang: { gt: 1 } } }, []],
    ['a hostile field name', { eq: { "x' or 1=1 --": 'y' } }, []],
    ['a number is not its text', { eq: { year: '2020' } }, []],
  ];
  test.each(filters)('filters: %s', async (_, filter, expected) => {
    await store().upsert(scopeOf('filters'), [
      point('filters', 'a', { metadata: { lang: 'en', year: 2020, tags: ['x', 'y'], day: '2020-01-01' } }),
      point('filters', 'b', {
        metadata: { lang: 'de', year: 2021, tags: ['x'], draft: true, day: '2021-05-01' },
      }),
      point('filters', 'c', { metadata: { lang: 'en', year: 2022, tags: ['z'] } }),
      point('filters', 'd', {}),
    ]);
    expect((await find('filters', { filter })).sort()).toEqual(expected);
  });

  test('any filter means what it says', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`filter seed ${seed}`);
    const { metadata, filter } = randomFilters(mulberry32(seed));
    const documents = Array.from({ length: 60 }, (_, n) => ({ id: `d${n}`, metadata: metadata() }));
    const points = documents.map(({ id, metadata }) => point('random', id, { metadata }));
    await store().upsert(scopeOf('random'), points);
    for (let round = 0; round < 60; round++) {
      const one = filter();
      const expected = documents.filter(({ metadata }) => matches(one, metadata)).map(({ id }) => id);
      const found = await find('random', { filter: one, limit: 100 });
      expect(found.sort(), JSON.stringify(one)).toEqual(expected.sort());
    }
  });
}
