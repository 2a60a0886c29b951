import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Filter } from '../_shared/filter.ts';
import { encodeVector } from '../_shared/vectors.ts';
import { NORTH, openTestSearch, type TestSearch } from './testing.ts';

let stage: TestSearch;
beforeAll(async () => {
  stage = await openTestSearch();
});
afterAll(() => stage?.close());

describe('filters', () => {
  const many = (length: number) => ({ in: { year: Array.from({ length }, (_, n) => n) } });
  beforeAll(() =>
    stage.index('filters', [
      { document: 'a', metadata: { lang: 'en', year: 2020, tags: ['x', 'y'] } },
      { document: 'b', metadata: { lang: 'de', year: 2021, tags: ['x'] } },
      { document: 'c', metadata: { lang: 'en', year: 2022 } },
    ]),
  );
  test.each<[Filter, string[]]>([
    [{ eq: { lang: 'en' } }, ['a', 'c']],
    [{ in: { year: [2020, 2021] } }, ['a', 'b']],
    [{ eq: { tags: 'y' } }, ['a']],
    [{ range: { year: { gt: 2020, lte: 2022 } } }, ['b', 'c']],
    [{ and: [{ eq: { lang: 'en' } }, { not: { eq: { tags: 'x' } } }] }, ['c']],
    [{ or: [{ eq: { lang: 'de' } }, { eq: { year: 2022 } }] }, ['b', 'c']],
    [{ or: [many(256), { not: many(255) }, { eq: { lang: 'de' } }] }, ['a', 'b', 'c']],
  ])('%j', async (filter, expected) => {
    const of = { collection: 'filters', vector: encodeVector(NORTH), filter };
    expect((await stage.found({ ...of, mode: 'dense' })).sort()).toEqual(expected);
    expect((await stage.found(of)).sort()).toEqual(expected);
  });

  test.each([
    {},
    { eq: {} },
    { eq: { lang: null } },
    { near: { lang: 'en' } },
    { eq: { lang: 'en' }, in: { year: [1] } },
    { range: { year: {} } },
    { range: { year: { above: 1 } } },
    { and: [] },
    { in: { year: [] } },
    { eq: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`f${n}`, n])) },
    { or: [many(256), many(256), { eq: { lang: 'en' } }] },
    { not: { and: Array.from({ length: 3 }, () => ({ or: [many(200)] })) } },
  ])('%j is refused', async (filter) => {
    await expect(stage.search({ collection: 'filters', filter: filter as never })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('filter'),
    });
  });
});
