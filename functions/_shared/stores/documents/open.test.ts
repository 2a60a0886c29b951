import { describe, expect, test } from 'vitest';
import { postgresMissing, startPostgres } from '../../../../test/support/postgres.ts';
import { openPGlite } from '../sql/pglite.ts';
import { openPostgres } from '../sql/postgres.ts';
import { documentStoreContract } from './contract.ts';
import { createDocumentStore } from './open.ts';

const claimMs = 400;

documentStoreContract('on PGlite', async () => {
  const database = await openPGlite();
  const store = await createDocumentStore(database, { claimMs });
  return { store, claimMs, close: () => database.close() };
});

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  documentStoreContract('on PostgreSQL', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    // Several processes may start at once on an empty database.
    const [store] = await Promise.all(
      Array.from({ length: 4 }, () => createDocumentStore(database, { claimMs })),
    );
    if (!store) throw new Error('No store.');
    return {
      store,
      claimMs,
      async close() {
        await database.close();
        await server.stop();
      },
    };
  });

  test('a server that is not there is unavailable', async () => {
    const database = openPostgres({ url: 'postgres://knarr@127.0.0.1:1/none' });
    await expect(createDocumentStore(database)).rejects.toMatchObject({ code: 'unavailable' });
    await database.close();
  });
});
