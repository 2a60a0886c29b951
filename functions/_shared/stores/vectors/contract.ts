import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Filter } from '../../filter.ts';
import { pointId, textHash } from '../../ids.ts';
import type { Caller } from '../../stage.ts';
import type { Point, StoredPoint, VectorQuery, VectorStore } from './port.ts';
import { matches, mulberry32, randomFilters } from './testing.ts';

const everyone = (tenant: string): Caller => ({ tenant, principals: ['*'] });

/** A unit vector in `dimensions` dimensions that leans towards one axis. */
function towards(axis: number, dimensions = 4): Float32Array {
  const vector = new Float32Array(dimensions).fill(0.1);
  vector[axis] = 1;
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

/**
 * What every vector store must do. `open` gives an empty store; `dimensions` is the length of the random vectors whose
 * neighbours it must find: what quantises coarsely is for long ones.
 */
export function vectorStoreContract(
  name: string,
  open: () => Promise<{ store: VectorStore; close: () => Promise<void> }>,
  { dimensions = 32 } = {},
) {
  describe(`vector store contract: ${name}`, () => {
    let store: VectorStore;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ store, close } = await open());
    });
    afterAll(() => close?.());

    const scopeOf = (tenant: string, dimensions = 4) => ({
      tenant,
      collection: 'default',
      // A generation fixes the length of its vectors.
      generation: dimensions === 4 ? 'g' : `g${dimensions}`,
      dimensions,
    });
    function point(tenant: string, document: string, more: Partial<Point> = {}): Point {
      const { version = 1, chunk = 0 } = more;
      return {
        id: pointId(tenant, document, version, chunk, 'g'),
        document,
        version,
        chunk,
        vector: towards(0),
        text: document,
        metadata: {},
        acl: ['*'],
        ...more,
      };
    }
    async function find(tenant: string, query: Partial<VectorQuery>, caller = everyone(tenant)) {
      const hits = await store.search(scopeOf(tenant), caller, {
        mode: 'dense',
        vector: towards(0),
        limit: 10,
        ...query,
      });
      return hits.map(({ document }) => document);
    }

    test('dense search ranks by cosine, best first, with the cosine as score', async () => {
      await store.upsert(scopeOf('dense'), [
        point('dense', 'far', { vector: towards(1) }),
        point('dense', 'near'),
      ]);
      const hits = await store.search(scopeOf('dense'), everyone('dense'), {
        mode: 'dense',
        vector: towards(0),
        limit: 10,
      });
      expect(hits.map(({ document }) => document)).toEqual(['near', 'far']);
      expect(hits[0]).toMatchObject({ version: 1, chunk: 0, id: pointId('dense', 'near', 1, 0, 'g') });
      expect(hits[0]?.score).toBeCloseTo(1, 5);
      expect(hits[1]?.score).toBeCloseTo(0.2 / 1.03 + 0.02 / 1.03, 2);
    });

    test('lexical search finds words in their forms, ranks by BM25 and returns only what matches', async () => {
      await store.upsert(scopeOf('words'), [
        point('words', 'ships', { text: 'The merchant ships sailed. Ships and more ships.' }),
        point('words', 'mention', {
          text: 'A long text about trade routes, fur, amber and, once, a ship in a harbour far away.',
        }),
        point('words', 'other', { text: 'Potatoes grow in the earth.' }),
      ]);
      expect(await find('words', { mode: 'lexical', text: 'ship' })).toEqual(['ships', 'mention']);
      expect(await find('words', { mode: 'lexical', text: 'sailing' })).toEqual(['ships']);
      expect(await find('words', { mode: 'lexical', text: 'zeppelin' })).toEqual([]);
    });

    test.each([
      ['layer', 'The boundary-layer grows.'],
      ['output', 'Its input/output is slow.'],
      ['1087', 'He reigned 1066-1087.'],
      ['1066000', 'It holds 1,066,000 people.'],
      ['herve', 'Hervé served in Byzantium.'],
      ['example', 'Write to norman@example.org.'],
      ['首都', '北京是中国的首都。'],
    ])('lexical search finds %s in %s', async (text, body) => {
      const tenant = `part-${text}`;
      await store.upsert(scopeOf(tenant), [point(tenant, 'a', { text: body })]);
      expect(await find(tenant, { mode: 'lexical', text })).toEqual(['a']);
    });

    test.each([
      '',
      '   ',
      'the of and',
      '"ship',
      "ship' & | ! ( ) :* \\ --",
      '\0ship',
      '🚢',
      '%_',
      'x'.repeat(8192),
    ])('any text may be searched for (case %#)', async (text) => {
      await store.upsert(scopeOf('any'), [point('any', 'a', { text: 'a ship 🚢' })]);
      expect(await find('any', { mode: 'lexical', text })).toSatisfy((found: string[]) =>
        found.every((id) => id === 'a'),
      );
      expect(await find('any', { mode: 'hybrid', text })).toEqual(['a']);
    });

    test('hybrid search puts first what both sides find', async () => {
      await store.upsert(scopeOf('hybrid'), [
        point('hybrid', 'meaning', { vector: towards(0), text: 'nothing in common' }),
        point('hybrid', 'both', {
          vector: towards(0).map((x, i) => (i === 3 ? x + 0.05 : x)),
          text: 'a longship',
        }),
        point('hybrid', 'elsewhere', {
          vector: towards(0).map((x, i) => (i === 1 ? x + 0.3 : x)),
          text: 'nothing',
        }),
        point('hybrid', 'word', { vector: towards(2), text: 'longship longship' }),
      ]);
      const found = await find('hybrid', { mode: 'hybrid', text: 'longship' });
      expect(found[0]).toBe('both');
      expect([...found].sort()).toEqual(['both', 'elsewhere', 'meaning', 'word']);
    });

    test('a write is found by the next search, an overwrite replaces, a removal is final', async () => {
      const scope = scopeOf('writes');
      await store.upsert(scope, [point('writes', 'a', { text: 'first wording' })]);
      expect(await find('writes', { mode: 'lexical', text: 'first' })).toEqual(['a']);
      await store.upsert(scope, [
        point('writes', 'a', { text: 'second wording' }),
        point('writes', 'a', { text: 'third wording' }),
      ]);
      expect(await find('writes', { mode: 'lexical', text: 'first' })).toEqual([]);
      expect(await find('writes', { mode: 'lexical', text: 'third' })).toEqual(['a']);
      expect(await store.count(scope)).toBe(1);
      await store.upsert(scope, [point('writes', 'a', { version: 2, text: 'newer wording' })]);
      expect(await store.remove('writes', 'a', 2)).toBe(1);
      expect(await find('writes', { mode: 'lexical', text: 'wording' })).toEqual(['a']);
      expect(await store.remove('writes', 'a')).toBe(1);
      expect(await store.remove('writes', 'a')).toBe(0);
      expect(await find('writes', {})).toEqual([]);
    });

    test('any part of a point can change alone', async () => {
      const scope = scopeOf('parts');
      const nearest = () => find('parts', { vector: towards(3), limit: 1 });
      await store.upsert(scope, [
        point('parts', 'a', { vector: towards(1) }),
        point('parts', 'b', { vector: towards(2) }),
      ]);
      await store.upsert(scope, [point('parts', 'a', { vector: towards(3) })]);
      expect(await nearest()).toEqual(['a']);
      const filter: Filter = { eq: { kind: 'new' } };
      expect(await find('parts', { filter })).toEqual([]);
      await store.upsert(scope, [point('parts', 'a', { vector: towards(3), metadata: { kind: 'new' } })]);
      expect(await find('parts', { filter })).toEqual(['a']);
      await store.upsert(scope, [point('parts', 'a', { vector: towards(3), acl: ['user:ann'] })]);
      expect(await nearest()).toEqual(['b']);
    });

    test('a document is removed from all its collections and from no other tenant', async () => {
      for (const tenant of ['here', 'there']) {
        for (const collection of ['one', 'two'])
          await store.upsert({ ...scopeOf(tenant), collection }, [
            point(tenant, 'a', { version: collection === 'one' ? 1 : 2 }),
          ]);
      }
      expect(await store.remove('here', 'a')).toBe(2);
      expect(await store.count({ ...scopeOf('there'), collection: 'one' })).toBe(1);
    });

    test('a tenant sees its own points only, whatever scope it names', async () => {
      await store.upsert(scopeOf('mine'), [point('mine', 'secret', { text: 'canary' })]);
      await store.upsert(scopeOf('yours'), [point('yours', 'public', { text: 'other' })]);
      expect(await find('yours', { mode: 'hybrid', text: 'canary' })).toEqual(['public']);
      await expect(find('mine', {}, everyone('yours'))).rejects.toMatchObject({ code: 'unknown_collection' });
    });

    test('principals are part of the query: the limit is filled with what the caller may read', async () => {
      const points = Array.from({ length: 300 }, (_, n) =>
        point('acl', `d${n}`, {
          acl: n % 10 === 0 ? ['group:few', 'user:ann'] : ['group:many'],
          text: 'shared word',
        }),
      );
      await store.upsert(scopeOf('acl'), points);
      const few: Caller = { tenant: 'acl', principals: ['*', 'group:few'] };
      for (const mode of ['dense', 'lexical', 'hybrid'] as const) {
        const found = await find('acl', { mode, text: 'word', limit: 25 }, few);
        expect(found).toHaveLength(25);
        expect(found.every((id) => Number(id.slice(1)) % 10 === 0)).toBe(true);
        expect(await find('acl', { mode, text: 'word' })).toEqual([]);
      }
    });

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
      await store.upsert(scopeOf('filters'), [
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
      await store.upsert(scopeOf('random'), points);
      for (let round = 0; round < 60; round++) {
        const one = filter();
        const expected = documents.filter(({ metadata }) => matches(one, metadata)).map(({ id }) => id);
        const found = await find('random', { filter: one, limit: 100 });
        expect(found.sort(), JSON.stringify(one)).toEqual(expected.sort());
      }
    });

    test('points are listed, looked up and removed by what they are', async () => {
      const scope = scopeOf('kept');
      const points = Array.from({ length: 7 }, (_, n) => point('kept', `d${n}`, { text: `text ${n}` }));
      await store.upsert(scope, points);
      await store.upsert(scopeOf('others'), [point('others', 'x', { text: 'text 1' })]);
      const ids = points.map(({ id }) => id).sort();

      const listed: StoredPoint[] = [];
      for (let after: string | undefined; ; after = listed.at(-1)?.id) {
        const page = await store.scan(scope, { after, limit: 3 });
        listed.push(...page);
        if (page.length < 3) break;
      }
      expect(listed.map(({ id }) => id)).toEqual(ids);
      const third = points[3] as Point;
      expect(listed.find(({ id }) => id === third.id)).toEqual({
        id: third.id,
        document: 'd3',
        version: 1,
        chunk: 0,
        hash: textHash('text 3'),
      });
      expect(await store.scan(scope, { limit: 100 })).toHaveLength(7);

      const strange = pointId('others', 'x', 1, 0, 'g');
      expect([...(await store.present(scope, [third.id, strange]))]).toEqual([third.id]);
      expect(await store.present(scope, [])).toEqual(new Set());
      await store.removePoints(scope, [third.id, strange]);
      await store.removePoints(scope, []);
      expect(await store.count(scope)).toBe(6);
      expect(await store.count(scopeOf('others'))).toBe(1);

      const unknown = { ...scope, collection: 'never' };
      expect(await store.scan(unknown, { limit: 1 })).toEqual([]);
      expect(await store.present(unknown, [third.id])).toEqual(new Set());
      expect(await store.count(unknown)).toBe(0);
      await store.removePoints(unknown, [third.id]);
    });

    test('vectors are found again by the text they were made of, within a document', async () => {
      const scope = scopeOf('again');
      await store.upsert(scope, [
        point('again', 'a', { chunk: 0, text: 'one', vector: towards(1) }),
        point('again', 'a', { chunk: 1, text: 'two', vector: towards(2) }),
        point('again', 'a', { chunk: 2, version: 2, text: 'two', vector: towards(2) }),
        point('again', 'b', { text: 'three', vector: towards(3) }),
      ]);
      const vectors = await store.vectorsOf(scope, 'a', ['one', 'two', 'three', 'none'].map(textHash));
      expect([...vectors.keys()].sort()).toEqual([textHash('one'), textHash('two')].sort());
      for (const [axis, vector] of [...(vectors.get(textHash('two')) ?? [])].entries())
        expect(vector).toBeCloseTo(towards(2)[axis] as number, 5);
      expect(await store.vectorsOf(scope, 'a', [])).toEqual(new Map());
      expect(await store.vectorsOf({ ...scope, collection: 'never' }, 'a', [textHash('one')])).toEqual(
        new Map(),
      );
      expect(await store.vectorsOf({ ...scope, tenant: 'other' }, 'a', [textHash('one')])).toEqual(new Map());
    });

    test('every scope that ever held points is told', async () => {
      const scope = { ...scopeOf('told', 3), collection: 'one' };
      const one = point('told', 'a', { vector: towards(0, 3) });
      await store.upsert(scope, [one]);
      await store.upsert({ ...scope, collection: 'two' }, [point('told', 'a', { vector: towards(0, 3) })]);
      await store.remove('told', 'a');
      const told = (await store.scopes()).filter(({ tenant }) => tenant === 'told');
      expect(told.sort((a, b) => (a.collection < b.collection ? -1 : 1))).toEqual([
        scope,
        { ...scope, collection: 'two' },
      ]);
    });

    test('mismatches and unknown collections are refused in words', async () => {
      const scope = scopeOf('refusals');
      await store.upsert(scope, [point('refusals', 'a')]);
      await expect(
        store.upsert(scope, [point('refusals', 'b', { vector: towards(0, 3) })]),
      ).rejects.toMatchObject({ code: 'model_mismatch' });
      await expect(
        store.upsert({ ...scope, dimensions: 3 }, [point('refusals', 'b', { vector: towards(0, 3) })]),
      ).rejects.toMatchObject({ code: 'model_mismatch' });
      await expect(find('refusals', { vector: towards(0, 5) })).rejects.toMatchObject({
        code: 'model_mismatch',
        message: expect.stringContaining('5'),
      });
      await expect(
        store.search({ ...scope, collection: 'no' }, everyone('refusals'), {
          mode: 'dense',
          vector: towards(0),
          limit: 1,
        }),
      ).rejects.toMatchObject({
        code: 'unknown_collection',
      });
      await expect(
        store.search(scope, everyone('refusals'), { mode: 'dense', limit: 1 }),
      ).rejects.toMatchObject({ code: 'invalid_request' });
    });

    test('searches go on while points are written', async () => {
      await store.upsert(scopeOf('busy'), [point('busy', 'd0')]);
      const writes = Array.from({ length: 10 }, (_, n) =>
        store.upsert(scopeOf('busy'), [point('busy', `d${n}`), point('busy', `e${n}`)]),
      );
      const reads = Array.from({ length: 10 }, () => find('busy', { mode: 'hybrid', text: 'd0', limit: 50 }));
      await Promise.all([...writes, ...reads]);
      expect(await find('busy', { limit: 50 })).toHaveLength(20);
    });

    test('dense search finds nearly all true neighbours', async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      console.log(`recall seed ${seed}`);
      const random = mulberry32(seed);
      const vectors = Array.from({ length: 1000 }, () =>
        Float32Array.from({ length: dimensions }, () => random() - 0.5),
      );
      const scope = scopeOf('recall', dimensions);
      await store.upsert(
        scope,
        vectors.map((vector, n) => point('recall', `d${n}`, { vector })),
      );
      const cosine = (a: Float32Array, b: Float32Array) =>
        a.reduce((sum, x, i) => sum + x * (b[i] as number), 0) / (Math.hypot(...a) * Math.hypot(...b));
      let found = 0;
      for (let query = 0; query < 20; query++) {
        const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5);
        const truth = vectors
          .map((other, n) => ({ n, score: cosine(vector, other) }))
          .sort((a, b) => b.score - a.score)
          .slice(0, 10);
        const hits = await store.search(scope, everyone('recall'), { mode: 'dense', vector, limit: 10 });
        const ids = new Set(hits.map(({ document }) => document));
        found += truth.filter(({ n }) => ids.has(`d${n}`)).length;
      }
      expect(found / 200).toBeGreaterThanOrEqual(0.98);
    });
  });
}
