import { expect, test } from 'vitest';
import { pointId, textHash } from '../../../ids.ts';
import type { Point, StoredPoint, VectorStore } from '../port.ts';
import { point, scopeOf, towards } from './fixtures.ts';

/** What the store holds, past any search. */
export function pointsContract(store: () => VectorStore): void {
  test('points are listed, looked up and removed by what they are', async () => {
    const scope = scopeOf('kept');
    const points = Array.from({ length: 7 }, (_, n) => point('kept', `d${n}`, { text: `text ${n}` }));
    await store().upsert(scope, points);
    await store().upsert(scopeOf('others'), [point('others', 'x', { text: 'text 1' })]);
    const ids = points.map(({ id }) => id).sort();

    const listed: StoredPoint[] = [];
    for (let after: string | undefined; ; after = listed.at(-1)?.id) {
      const page = await store().scan(scope, { after, limit: 3 });
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
    expect(await store().scan(scope, { limit: 100 })).toHaveLength(7);

    const strange = pointId('others', 'x', 1, 0, 'g');
    expect([...(await store().present(scope, [third.id, strange]))]).toEqual([third.id]);
    expect(await store().present(scope, [])).toEqual(new Set());
    await store().removePoints(scope, [third.id, strange]);
    await store().removePoints(scope, []);
    expect(await store().count(scope)).toBe(6);
    expect(await store().count(scopeOf('others'))).toBe(1);

    const unknown = { ...scope, collection: 'never' };
    expect(await store().scan(unknown, { limit: 1 })).toEqual([]);
    expect(await store().present(unknown, [third.id])).toEqual(new Set());
    expect(await store().count(unknown)).toBe(0);
    await store().removePoints(unknown, [third.id]);
  });

  test('vectors are found again by the text they were made of, within a document', async () => {
    const scope = scopeOf('again');
    await store().upsert(scope, [
      point('again', 'a', { chunk: 0, text: 'one', vector: towards(1) }),
      point('again', 'a', { chunk: 1, text: 'two', vector: towards(2) }),
      point('again', 'a', { chunk: 2, version: 2, text: 'two', vector: towards(2) }),
      point('again', 'b', { text: 'three', vector: towards(3) }),
    ]);
    const vectors = await store().vectorsOf(scope, 'a', ['one', 'two', 'three', 'none'].map(textHash));
    expect([...vectors.keys()].sort()).toEqual([textHash('one'), textHash('two')].sort());
    for (const [axis, vector] of [...(vectors.get(textHash('two')) ?? [])].entries())
      expect(vector).toBeCloseTo(towards(2)[axis] as number, 5);
    expect(await store().vectorsOf(scope, 'a', [])).toEqual(new Map());
    expect(await store().vectorsOf({ ...scope, collection: 'never' }, 'a', [textHash('one')])).toEqual(
      new Map(),
    );
    expect(await store().vectorsOf({ ...scope, tenant: 'other' }, 'a', [textHash('one')])).toEqual(new Map());
  });

  test('every scope that ever held points is told', async () => {
    const scope = { ...scopeOf('told', 3), collection: 'one' };
    const one = point('told', 'a', { vector: towards(0, 3) });
    await store().upsert(scope, [one]);
    await store().upsert({ ...scope, collection: 'two' }, [point('told', 'a', { vector: towards(0, 3) })]);
    await store().remove('told', 'a');
    const told = (await store().scopes()).filter(({ tenant }) => tenant === 'told');
    expect(told.sort((a, b) => (a.collection < b.collection ? -1 : 1))).toEqual([
      scope,
      { ...scope, collection: 'two' },
    ]);
  });
}
