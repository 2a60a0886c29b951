import { expect, test } from 'vitest';
import type { Filter } from '../../../filter.ts';
import type { VectorStore } from '../port.ts';
import { finder, point, scopeOf, towards } from './fixtures.ts';

/** What was written is found at once, and what was removed never again. */
export function writesContract(store: () => VectorStore): void {
  const find = finder(store);

  test('a write is found by the next search, an overwrite replaces, a removal is final', async () => {
    const scope = scopeOf('writes');
    await store().upsert(scope, [point('writes', 'a', { text: 'first wording' })]);
    expect(await find('writes', { mode: 'lexical', text: 'first' })).toEqual(['a']);
    await store().upsert(scope, [
      point('writes', 'a', { text: 'second wording' }),
      point('writes', 'a', { text: 'third wording' }),
    ]);
    expect(await find('writes', { mode: 'lexical', text: 'first' })).toEqual([]);
    expect(await find('writes', { mode: 'lexical', text: 'third' })).toEqual(['a']);
    expect(await store().count(scope)).toBe(1);
    await store().upsert(scope, [point('writes', 'a', { version: 2, text: 'newer wording' })]);
    expect(await store().remove('writes', 'a', 2)).toBe(1);
    expect(await find('writes', { mode: 'lexical', text: 'wording' })).toEqual(['a']);
    expect(await store().remove('writes', 'a')).toBe(1);
    expect(await store().remove('writes', 'a')).toBe(0);
    expect(await find('writes', {})).toEqual([]);
  });

  test('any part of a point can change alone', async () => {
    const scope = scopeOf('parts');
    const nearest = () => find('parts', { vector: towards(3), limit: 1 });
    await store().upsert(scope, [
      point('parts', 'a', { vector: towards(1) }),
      point('parts', 'b', { vector: towards(2) }),
    ]);
    await store().upsert(scope, [point('parts', 'a', { vector: towards(3) })]);
    expect(await nearest()).toEqual(['a']);
    const filter: Filter = { eq: { kind: 'new' } };
    expect(await find('parts', { filter })).toEqual([]);
    await store().upsert(scope, [point('parts', 'a', { vector: towards(3), metadata: { kind: 'new' } })]);
    expect(await find('parts', { filter })).toEqual(['a']);
    await store().upsert(scope, [point('parts', 'a', { vector: towards(3), acl: ['user:ann'] })]);
    expect(await nearest()).toEqual(['b']);
  });

  test('a document is removed from all its collections and from no other tenant', async () => {
    for (const tenant of ['here', 'there']) {
      for (const collection of ['one', 'two'])
        await store().upsert({ ...scopeOf(tenant), collection }, [
          point(tenant, 'a', { version: collection === 'one' ? 1 : 2 }),
        ]);
    }
    expect(await store().remove('here', 'a')).toBe(2);
    expect(await store().count({ ...scopeOf('there'), collection: 'one' })).toBe(1);
  });

  test('searches go on while points are written', async () => {
    await store().upsert(scopeOf('busy'), [point('busy', 'd0')]);
    const writes = Array.from({ length: 10 }, (_, n) =>
      store().upsert(scopeOf('busy'), [point('busy', `d${n}`), point('busy', `e${n}`)]),
    );
    const reads = Array.from({ length: 10 }, () => find('busy', { mode: 'hybrid', text: 'd0', limit: 50 }));
    await Promise.all([...writes, ...reads]);
    expect(await find('busy', { limit: 50 })).toHaveLength(20);
  });
}
