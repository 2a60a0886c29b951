import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { postgresMissing, startPostgres, type TestPostgres } from '../../../../test/support/postgres.ts';
import { databaseContract } from './contract.ts';
import { migrate } from './migrate.ts';
import { openPostgres } from './postgres.ts';

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());

  databaseContract('PostgreSQL', async () => {
    const database = openPostgres({ url: server.url });
    return { database, close: () => database.close() };
  });

  test('a connection that owes an answer is given up, and holds up nobody', async () => {
    const database = openPostgres({ url: server.url, maxConnections: 1, answerMs: 2000 });
    onTestFinished(() => database.close());
    const late = database.transaction((tx) => tx.query('select pg_sleep(20)'));
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('a server that has no connection to give is unavailable', async () => {
    const database = openPostgres({ url: server.url, maxConnections: 1 });
    onTestFinished(() => database.close());
    const held = database.query('select pg_sleep(7)');
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'unavailable', retryAfter: 1 });
    await held;
  });
});

test.each<[string, (socket: Socket) => void]>([
  ['hangs up', (socket) => socket.once('data', () => socket.end())],
  ['says nothing', () => {}],
])('a server that %s is unavailable', async (_, answer) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const database = openPostgres({ url: `postgres://knarr@127.0.0.1:${port}/none` });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    silent.close();
    await database.close();
  });
  // As a stage that starts.
  await expect(migrate(database, 'none', {})).rejects.toMatchObject({ code: 'unavailable' });
});

test('a server that is not there is unavailable', async () => {
  const database = openPostgres({ url: 'postgres://knarr@127.0.0.1:1/none' });
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(database.transaction(async () => 1)).rejects.toMatchObject({ code: 'unavailable' });
  await database.close();
});
