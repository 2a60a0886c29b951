import { describe, expect, test } from 'vitest';
import { postgresMissing, startPostgres, type TestPostgres } from '../../../../test/support/postgres.ts';
import { databaseContract } from './contract.ts';
import { openPostgres } from './postgres.ts';

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  let server: TestPostgres;
  databaseContract('PostgreSQL', async () => {
    server = await startPostgres();
    const database = openPostgres({ url: server.url });
    return {
      database,
      async close() {
        await database.close();
        await server.stop();
      },
    };
  });
});

test('a server that is not there is unavailable', async () => {
  const database = openPostgres({ url: 'postgres://knarr@127.0.0.1:1/none' });
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(database.transaction(async () => 1)).rejects.toMatchObject({ code: 'unavailable' });
  await database.close();
});
