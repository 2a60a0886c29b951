import { openPGlite } from '../sql/pglite.ts';
import { vectorStoreContract } from './contract.ts';
import { openPgVectors } from './pg.ts';

vectorStoreContract('PGlite with pgvector and pg_textsearch', async () => {
  const database = await openPGlite({});
  return { store: await openPgVectors(database), close: () => database.close() };
});
