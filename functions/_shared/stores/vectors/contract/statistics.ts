import { expect, test } from 'vitest';
import type { VectorStore } from '../port.ts';
import { everyone, finder, point, scopeOf } from './fixtures.ts';

/** What counts in a lexical score: the texts of one's own collection, all of them, and nobody else's. */
export function statisticsContract(store: () => VectorStore): void {
  const find = finder(store);
  const scores = async (tenant: string, text: string, caller = everyone(tenant)) => {
    const hits = await store().search(scopeOf(tenant), caller, { mode: 'lexical', text, limit: 50 });
    return hits.map(({ document, score }) => ({ document, score }));
  };
  const texts = (tenant: string, all: readonly string[], more = {}) =>
    all.map((text, n) => point(tenant, `d${n}`, { text, ...more }));
  const many = (count: number, text: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => text(n));

  test('scores of one tenant do not change with what others write and remove', async () => {
    await store().upsert(
      scopeOf('alone'),
      texts('alone', ['common rare', ...many(5, (n) => `common w${n}`)]),
    );
    const words = ['common', 'rare', 'common rare'];
    const before = await Promise.all(words.map((text) => scores('alone', text)));
    expect(before.map((hits) => hits.length)).toEqual([6, 1, 6]);
    const same = async () =>
      expect(await Promise.all(words.map((text) => scores('alone', text)))).toEqual(before);

    const others = { ...scopeOf('crowd'), collection: 'default' };
    await store().upsert(
      others,
      texts(
        'crowd',
        many(300, (n) => `foreign w${n}`),
      ),
    );
    await same();
    // The same words, and in another collection of the tenant itself.
    await store().upsert(
      others,
      texts(
        'crowd',
        many(300, () => 'common rare'),
      ),
    );
    await store().upsert({ ...scopeOf('alone'), collection: 'second' }, [
      point('alone', 'elsewhere', { text: 'common rare' }),
    ]);
    await same();
    for (let n = 0; n < 20; n++) await store().remove('crowd', `d${n}`);
    await same();
  });

  test('a rare word outweighs a common one in a small collection beside a large one', async () => {
    const repeated = 'ship sail '.repeat(4);
    await store().upsert(
      scopeOf('small'),
      texts('small', ['amber of the coast', ...many(9, () => repeated)]),
    );
    await store().upsert(
      scopeOf('large'),
      texts(
        'large',
        many(1000, (n) => `harbour number ${n}`),
      ),
    );
    expect((await find('small', { mode: 'lexical', text: 'ship sail amber' }))[0]).toBe('d0');
  });

  test('scores count a whole collection, whoever may read of it', async () => {
    await store().upsert(scopeOf('whole'), [
      ...texts('whole', ['longship', 'harbour', 'amber']),
      ...many(9, (n) => `h${n}`).map((id) => point('whole', id, { text: 'harbour', acl: ['group:few'] })),
    ]);
    const few = { tenant: 'whole', principals: ['*', 'group:few'] };
    const [longship, harbour] = await Promise.all(
      ['longship', 'harbour'].map((text) => scores('whole', text)),
    );
    expect(longship).toEqual(await scores('whole', 'longship', few));
    // One of twelve texts, against ten of them.
    expect(longship?.[0]?.score).toBeGreaterThan(3 * (harbour?.[0]?.score ?? Number.NaN));
  });
}
