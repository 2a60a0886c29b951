import { expect, test } from 'vitest';
import { pointId } from '../../ids.ts';
import { openPGlite } from '../sql/pglite.ts';
import { vectorStoreContract } from './contract.ts';
import { openPgVectors } from './pg.ts';

vectorStoreContract('PGlite with pgvector and pg_textsearch', async () => {
  const database = await openPGlite({});
  return { store: await openPgVectors(database), close: () => database.close() };
});

test('writing the same again changes no word statistics', async () => {
  const database = await openPGlite();
  try {
    const store = await openPgVectors(database);
    const scope = { tenant: 't', collection: 'c', generation: 'g', dimensions: 1 };
    const points = Array.from({ length: 20 }, (_, n) => ({
      id: pointId('t', `d${n}`, 1, 0, 'g'),
      document: `d${n}`,
      version: 1,
      chunk: 0,
      vector: Float32Array.of(1),
      text: n < 2 ? 'rare word' : 'word',
      metadata: { n },
      acl: ['*'],
    }));
    const search = () =>
      store.search(
        scope,
        { tenant: 't', principals: ['*'] },
        { mode: 'lexical', text: 'rare word', limit: 20 },
      );
    await store.upsert(scope, points);
    const before = await search();
    for (let time = 0; time < 3; time++) await store.upsert(scope, points.slice(0, 10));
    expect(await search()).toEqual(before);
  } finally {
    await database.close();
  }
});
