import { describe } from 'vitest';
import { postgresMissing, startPostgres } from '../../../../test/support/postgres.ts';
import { openPGlite } from '../sql/pglite.ts';
import { openPostgres } from '../sql/postgres.ts';
import { accessStoreContract } from './contract.ts';
import { createAccessStore } from './open.ts';

accessStoreContract('on PGlite', async () => {
  const database = await openPGlite();
  return { database, store: await createAccessStore(database), close: () => database.close() };
});

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  accessStoreContract('on PostgreSQL', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    return {
      database,
      store: await createAccessStore(database),
      async close() {
        await database.close();
        await server.stop();
      },
    };
  });
});
