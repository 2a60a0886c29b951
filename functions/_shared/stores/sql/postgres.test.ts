import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Migration, sql } from 'kysely';
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

  test('a statement that takes too long, or is cancelled, is unavailable; the connection goes on', async () => {
    const database = openPostgres({ url: server.url, maxConnections: 1, statementMs: 100 });
    onTestFinished(() => database.close());
    const passing = { code: 'unavailable', status: 503, retryAfter: 1 };
    await expect(database.query('select pg_sleep(20)')).rejects.toMatchObject(passing);
    const held = database.transaction(async (tx) => {
      await tx.exec('set local statement_timeout = 0; create table kept (id integer)');
      await tx.query('select pg_sleep(21)');
    });
    const other = openPostgres({ url: server.url });
    onTestFinished(() => other.close());
    const cancelled = expect(held).rejects.toMatchObject(passing);
    for (let hit = 0; hit === 0; ) {
      ({ affected: hit } = await other.query(
        `select pg_cancel_backend(pid) from pg_stat_activity where query = 'select pg_sleep(21)' and state = 'active'`,
      ));
    }
    await cancelled;
    expect((await database.query("select to_regclass('kept') as kept")).rows).toEqual([{ kept: null }]);
  });

  test('a transaction that was left open too long is unavailable, and the next one is not', async () => {
    const database = openPostgres({ url: server.url, maxConnections: 1 });
    onTestFinished(() => database.close());
    const forgotten = database.transaction(async (tx) => {
      await tx.exec('set local idle_in_transaction_session_timeout = 50');
      await sleep(1000);
      await tx.query('select 1');
    });
    await expect(forgotten).rejects.toMatchObject({ code: 'unavailable', retryAfter: 1 });
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('a migration takes as long as it takes, and leaves no connection without a limit', async () => {
    const database = openPostgres({ url: server.url, maxConnections: 2, statementMs: 100, answerMs: 200 });
    onTestFinished(() => database.close());
    const slow: Migration = {
      async up(db) {
        await sql`create table large as select 1 as one from pg_sleep(1)`.execute(db);
      },
    };
    await Promise.all([1, 2].map(() => migrate(database, 'slow', { '0001_slow': slow })));
    expect((await database.query("select to_regclass('large')::text as made")).rows).toEqual([
      { made: 'large' },
    ]);
    const asked = [1, 2].map(() => database.query('select pg_sleep(20)'));
    for (const outcome of await Promise.allSettled(asked)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
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
