import { describe, expect, test } from 'vitest';
import { postgresMissing, startPostgres } from '../../../../test/support/postgres.ts';
import type { Database } from '../sql/database.ts';
import { migrate } from '../sql/migrate.ts';
import { openPGlite } from '../sql/pglite.ts';
import { openPostgres } from '../sql/postgres.ts';
import { GENERATION, given, using } from './contract/fixtures.ts';
import { documentStoreContract } from './contract.ts';
import { migrations } from './migrations.ts';
import { createDocumentStore } from './open.ts';

const claimMs = 400;
/** What one test leaves on its way must not hold up another's. */
const limits = { claimMs, maxInFlight: 10_000 };

const aging = (database: Database) => async (tenant: string, ms: number) => {
  await database.query(
    `update originals set touched_at = now() - $2::float8 * interval '1 millisecond' where tenant = $1`,
    [tenant, ms],
  );
};

documentStoreContract('on PGlite', async () => {
  const database = await openPGlite();
  const store = await createDocumentStore(database, limits);
  return { store, claimMs, age: aging(database), close: () => database.close() };
});

test('a version that is not the head is none of what should be found, whatever its state says', async () => {
  const database = await openPGlite();
  try {
    const store = await createDocumentStore(database);
    const ref = { tenant: 't', document: 'a', version: 1 };
    const given = {
      ...{ tenant: 't', document: 'a', collection: 'default', generation: 'g', title: null, uri: null },
      ...{ contentType: 'text/plain', contentHash: 'one', bytes: 1, original: 'o', metadata: {}, acl: ['*'] },
    };
    const chunk = { chunk: 0, text: 'old', start: 0, end: 3, headings: [], tokens: 1 };
    await store.accept(given);
    await store.saveChunks(ref, { title: null, chunks: [chunk] });
    await store.recordIndexed(ref, [0]);
    await store.complete(ref);
    expect(await store.expectedChunks(undefined, 9)).toHaveLength(1);
    await database.query('update documents set head = 2');
    expect(await store.expectedChunks(undefined, 9)).toEqual([]);
    expect(await store.liveChunks('t', [{ document: 'a', version: 1, chunk: 0 }])).toEqual([]);
    expect(await store.saveChunks(ref, { title: null, chunks: [chunk] })).toBe(false);
    expect(await store.recordIndexed(ref, [0])).toEqual({ indexed: 0, total: 0 });
  } finally {
    await database.close();
  }
});

test('so many documents are on their way at once; what is no document goes by', async () => {
  const database = await openPGlite();
  try {
    const store = await createDocumentStore(database, { maxInFlight: 2 });
    for (const document of ['a', 'b', 'c', 'gone']) await store.accept(given('t', document));
    await store.remove('t', 'gone');
    const claim = async () => {
      const entries = await store.claimOutbox(9);
      await store.ackOutbox(entries.map(({ id }) => id));
      return entries.map(({ emitted }) => `${emitted.name} ${emitted.subject}`);
    };
    expect(await claim()).toEqual(['document.accepted a', 'document.accepted b', 'document.deleted gone']);
    expect(await claim()).toEqual([]);
    // More that waits than is looked at for one claim hides no deletion.
    for (const document of ['x', 'y', 'z']) await store.accept(given('t', document));
    await store.remove('t', 'z');
    expect((await store.claimOutbox(1)).map(({ emitted }) => emitted.name)).toEqual(['document.deleted']);
    for (const document of ['x', 'y']) await store.remove('t', document);
    await claim();
    await using(() => store).finish({ tenant: 't', document: 'a', version: 1 });
    expect(await claim()).toEqual(['document.accepted c']);
    await store.remove('t', 'b');
    expect(await claim()).toEqual(['document.deleted b']);
    // What was sent long ago is slow or lost: it holds up no other.
    await store.accept(given('t', 'd'));
    await store.accept(given('t', 'e'));
    expect(await claim()).toEqual(['document.accepted d']);
    await database.query(
      "update versions set sent_at = sent_at - interval '61 seconds' where document = 'd'",
    );
    expect(await claim()).toEqual(['document.accepted e']);
    // So is what is indexed and asked for again, until it has been read.
    const { finish } = using(() => store);
    const ref = (document: string) => ({ tenant: 't', document, version: 1 });
    for (const document of ['c', 'd', 'e']) await finish(ref(document));
    await store.redrive(['a', 'c', 'd'].map(ref));
    expect(await claim()).toHaveLength(2);
    expect(await claim()).toEqual([]);
    await finish(ref('a'));
    expect(await claim()).toHaveLength(1);
  } finally {
    await database.close();
  }
});

test('more tenants than one claim looks at take turns, too', async () => {
  const database = await openPGlite();
  try {
    const store = await createDocumentStore(database, { tenantsAtOnce: 2 });
    for (const tenant of ['a', 'b', 'c', 'd', 'e']) {
      for (let n = 0; n < 3; n++) await store.accept(given(tenant, `d${n}`));
    }
    const claim = async () => (await store.claimOutbox(2)).map((entry) => entry.tenant).sort();
    expect([await claim(), await claim(), await claim()]).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['a', 'e'],
    ]);
  } finally {
    await database.close();
  }
});

test('a release that knows less than the one before it leaves what that has done', async () => {
  const database = await openPGlite();
  try {
    await createDocumentStore(database);
    const names = Object.keys(migrations).sort();
    const older = Object.fromEntries(Object.entries(migrations).filter(([name]) => name !== names.at(-1)));
    await migrate(database, 'documents', older);
    await migrate(database, 'documents', migrations);
    const { rows } = await database.query<{ name: string }>('select name from documents_migrations');
    expect(rows.map(({ name }) => name).sort()).toEqual(names);
  } finally {
    await database.close();
  }
});

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  documentStoreContract('on PostgreSQL', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    // Several processes may start at once on an empty database.
    const [store] = await Promise.all(Array.from({ length: 4 }, () => createDocumentStore(database, limits)));
    if (!store) throw new Error('No store.');
    return {
      store,
      claimMs,
      age: aging(database),
      async close() {
        await database.close();
        await server.stop();
      },
    };
  });

  test('a rebuild holds up no writer while a batch waits, and what a batch had begun is undone with it', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    try {
      const store = await createDocumentStore(database);
      const { accepted, stateOf, drain } = using(() => store);
      const of = { tenant: 't', collection: 'default', generation: 'new' };
      const a = await accepted(given('t', 'a'));
      const b = await accepted(given('t', 'b'));
      await drain('t');
      await store.beginRebuild(of);
      let going: Promise<unknown> = Promise.resolve();
      await database.transaction(async (tx) => {
        await tx.query("select from versions where document = 'b' for update");
        going = store.goOnRebuilding();
        going.catch(() => {});
        let waits = 0;
        while (waits === 0) {
          ({ affected: waits } = await database.query(
            "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%update versions%'",
          ));
        }
        expect((await store.accept(given('t', 'c'))).created).toBe(true);
        expect((await store.activeIndex('t', 'default'))?.generation).toBe('new');
        await database.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like '%update versions%'",
        );
        await expect(going).rejects.toMatchObject({ code: 'unavailable' });
      });
      expect([await stateOf(a), await stateOf(b)]).toEqual(['accepted', 'accepted']);
      expect(await store.version(a)).toMatchObject({ generation: GENERATION });
      await drain('t');
      expect(await store.goOnRebuilding()).toEqual({ sent: 2, waits: false, more: true });
      expect((await drain('t')).map(({ subject }) => subject)).toEqual(['a', 'b']);
      expect(await store.version(a)).toMatchObject({ generation: 'new' });
      expect(await store.goOnRebuilding()).toEqual({ sent: 0, waits: false, more: false });
    } finally {
      await database.close();
      await server.stop();
    }
  });

  test('of a purge and a submission at the same time, who comes first decides what becomes of an original', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    const age = { olderThanMs: 60_000, limit: 10 };
    const removed: string[] = [];
    const remove = async (original: string) => void removed.push(original);
    try {
      const store = await createDocumentStore(database);
      const keep = (fresh: string) => store.keepOriginal('t', 'one', fresh);
      const waits = async (query: string) => {
        const { affected } = await database.query(
          'select from pg_stat_activity where wait_event_type = $1 and query like $2',
          ['Lock', `%${query}%`],
        );
        return affected;
      };
      // What an older release has kept is no longer used.
      await database.query("insert into originals (tenant, original) values ('t', 't/one')");
      expect(await keep('t/a')).toBe('t/a');
      await database.query("update originals set touched_at = now() - interval '61 seconds'");
      await database.transaction(async (tx) => {
        await tx.query("update originals set touched_at = now() where original = 't/a'");
        // It waits for nobody, and what it finds held is not old any more when it is free.
        expect(await store.purgeOriginals(age, remove)).toBe(1);
      });
      expect(await store.purgeOriginals(age, remove)).toBe(0);

      await database.query("update originals set touched_at = now() - interval '61 seconds'");
      let kept: Promise<string> = Promise.resolve('');
      await database.transaction(async (tx) => {
        await tx.query("update originals set removing = true where original = 't/a'");
        kept = keep('t/b');
        await expect.poll(() => waits('insert into originals'), { timeout: 30_000 }).toBe(1);
      });
      expect(await kept).toBe('t/b');
      expect(await store.purgeOriginals(age, remove)).toBe(1);
      expect(removed).toEqual(['t/one', 't/a']);
    } finally {
      await database.close();
      await server.stop();
    }
  });

  test('a submission to an older release waits for the removal of its original, and puts it again', async () => {
    const server = await startPostgres();
    const database = openPostgres({ url: server.url });
    const age = { olderThanMs: 60_000, limit: 10 };
    try {
      const store = await createDocumentStore(database);
      const touch = () =>
        database.query(
          `insert into originals (tenant, original) values ('t', 't/one')
           on conflict (tenant, original) do update set touched_at = now()`,
        );
      const aged = () => database.query("update originals set touched_at = now() - interval '61 seconds'");
      const waits = async () => {
        const { affected } = await database.query(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into originals%'",
        );
        return affected;
      };
      await touch();
      await aged();
      let touched: Promise<unknown> = Promise.resolve();
      const removed: string[] = [];
      const remove = async (original: string) => {
        touched = touch();
        await expect.poll(waits, { timeout: 30_000 }).toBe(1);
        removed.push(original);
      };
      expect(await store.purgeOriginals(age, remove)).toBe(1);
      await touched;
      const { rows } = await database.query('select original, removing from originals');
      expect(rows).toEqual([{ original: 't/one', removing: false }]);

      // One that comes between its choice and its turn keeps it.
      await aged();
      await database.query("insert into originals values ('t', 't/two', now() - interval '61 seconds')");
      const between = async (original: string) => {
        removed.push(original);
        await database.query('update originals set touched_at = now() where original <> $1', [original]);
      };
      expect(await store.purgeOriginals(age, between)).toBe(1);
      expect(removed).toHaveLength(2);
    } finally {
      await database.close();
      await server.stop();
    }
  });

  test('a server that is not there is unavailable', async () => {
    const database = openPostgres({ url: 'postgres://knarr@127.0.0.1:1/none' });
    await expect(createDocumentStore(database)).rejects.toMatchObject({ code: 'unavailable' });
    await database.close();
  });
});
