import { expect, test } from 'vitest';
import type { Caller } from '../../../stage.ts';
import type { VectorStore } from '../port.ts';
import { everyone, finder, point, scopeOf } from './fixtures.ts';

/** Who finds what. */
export function accessContract(store: () => VectorStore): void {
  const find = finder(store);

  test('a tenant sees its own points only, whatever scope it names', async () => {
    await store().upsert(scopeOf('mine'), [point('mine', 'secret', { text: 'canary' })]);
    await store().upsert(scopeOf('yours'), [point('yours', 'public', { text: 'other' })]);
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
    await store().upsert(scopeOf('acl'), points);
    const few: Caller = { tenant: 'acl', principals: ['*', 'group:few'] };
    for (const mode of ['dense', 'lexical', 'hybrid'] as const) {
      const found = await find('acl', { mode, text: 'word', limit: 25 }, few);
      expect(found).toHaveLength(25);
      expect(found.every((id) => Number(id.slice(1)) % 10 === 0)).toBe(true);
      expect(await find('acl', { mode, text: 'word' })).toEqual([]);
    }
  });
}
