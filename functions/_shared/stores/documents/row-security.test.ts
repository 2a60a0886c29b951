import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresMissing, startPostgres, type TestPostgres } from '../../../../test/support/postgres.ts';
import { ConfigError } from '../../config.ts';
import type { Database } from '../sql/database.ts';
import { openPGlite } from '../sql/pglite.ts';
import { openPostgres } from '../sql/postgres.ts';
import { createDocumentStore } from './open.ts';
import { secureRows } from './row-security.ts';

const TABLES = ['documents', 'versions', 'chunks'];

/** Two tenants, each with a document for all and one for ann. */
async function fill(database: Database): Promise<void> {
  const store = await createDocumentStore(database);
  for (const tenant of ['one', 'two']) {
    for (const [document, acl] of [
      ['open', '*'],
      ['hidden', 'user:ann'],
    ] as const) {
      const given = {
        tenant,
        document,
        collection: 'default',
        generation: 'g',
        title: null,
        uri: null,
        contentType: 'text/plain',
        contentHash: 'h',
        bytes: 1,
        original: 'o',
        metadata: {},
        acl: [acl],
      };
      const ref = { tenant, ...(await store.accept(given)) };
      const text = `${tenant} ${document}`;
      await store.saveChunks(ref, {
        title: null,
        chunks: [{ chunk: 0, text, start: 0, end: 1, headings: [], tokens: 1 }],
      });
      await store.recordIndexed(ref, [0]);
      await store.complete(ref);
    }
  }
}

/** What the role sees of each table, tenant and principals being set to these. */
async function seen(database: Database, tenant?: string, principals?: string[]) {
  return database.transaction(async (tx) => {
    if (tenant !== undefined) {
      await tx.query(
        `select set_config('knarr.tenant', $1, true), set_config('knarr.principals', $2::text[]::text, true)`,
        [tenant, principals],
      );
    }
    // By schema: the search path goes by the role.
    const { rows } = await tx.query<{ schema: string }>('select quote_ident(current_schema()) as schema');
    await tx.exec('set local role knarr_reader');
    const counts: number[] = [];
    for (const table of TABLES.map((name) => `${rows[0]?.schema}.${name}`)) {
      const { rows } = await tx.query<{ n: number }>(`select count(*)::integer as n from ${table}`);
      counts.push(rows[0]?.n ?? -1);
    }
    return counts;
  });
}

function rowSecurity(name: string, open: () => Promise<Database>, end = async () => {}): void {
  describe(name, () => {
    let database: Database;
    beforeAll(async () => {
      database = await open();
      await fill(database);
    });
    afterAll(async () => {
      await database?.close();
      await end();
    });

    test('the role sees nothing by itself, and then what tenant and principals allow', async () => {
      expect(await seen(database)).toEqual([0, 0, 0]);
      expect(await seen(database, 'one', ['*'])).toEqual([2, 1, 1]);
      expect(await seen(database, 'one', ['*', 'user:ann'])).toEqual([2, 2, 2]);
      expect(await seen(database, 'one', [])).toEqual([2, 0, 0]);
      expect(await seen(database, 'three', ['*', 'user:ann'])).toEqual([0, 0, 0]);
      expect(await seen(database)).toEqual([0, 0, 0]);
    });

    test('the policies hold although the query forgets its conditions', async () => {
      const { rows } = await database.query<{ source: string }>(
        `select pg_get_functiondef('current_chunks'::regproc) as source`,
      );
      const broken = rows[0]?.source
        .replace('v.acl && p_principals', 'true')
        .replaceAll('.tenant = p_tenant', '.tenant = any(array[p_tenant, $6])')
        .replace('p_chunks integer[])', 'p_chunks integer[], other text)')
        .replace('current_chunks(', 'careless(');
      await database.exec(`${broken}; do $$ begin
        execute format('grant create on schema %I to knarr_reader', current_schema());
        alter function careless owner to knarr_reader; end $$`);
      const careless = async (tenant: string, principals: string[], other: string) => {
        const { rows } = await database.query<{ text: string }>(
          `select text from careless($1, $2, $3, $4, $5, $6)`,
          [tenant, principals, ['open', 'hidden'], [1, 1], [0, 0], other],
        );
        return rows.map(({ text }) => text).sort();
      };
      expect(await careless('one', ['*'], 'two')).toEqual(['one open']);
      expect(await careless('two', ['user:ann'], 'one')).toEqual(['two hidden']);
      await database.exec(
        'alter table versions disable row level security; alter table chunks disable row level security; alter table documents disable row level security',
      );
      expect((await careless('one', ['*'], 'two')).length).toBeGreaterThan(1);
    });

    test('what was taken away is put back at the next start', async () => {
      await secureRows(database);
      expect(await seen(database, 'one', ['*'])).toEqual([2, 1, 1]);
      await database.exec('drop policy knarr_reader on chunks');
      await secureRows(database);
      expect(await seen(database, 'one', ['*'])).toEqual([2, 1, 1]);
    });
  });
}

rowSecurity('on PGlite', () => openPGlite());

const missing = postgresMissing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  let server: TestPostgres;
  let root: Database;
  /** A user who owns a schema of its own and is nothing special otherwise. */
  async function openAs(user: string): Promise<Database> {
    await root.exec(`create role ${user} login; create schema ${user} authorization ${user}`);
    const url = new URL(server.url);
    url.username = user;
    return openPostgres({ url: url.href });
  }
  beforeAll(async () => {
    server = await startPostgres();
    root = openPostgres({ url: server.url });
  });
  afterAll(async () => {
    for (const user of ['lowly', 'owner'])
      await root.exec(`do $$ begin if exists (select from pg_roles where rolname = '${user}') then
        drop owned by ${user} cascade; drop role ${user}; end if; end $$`);
    await root.close();
    await server.stop();
  });

  test('a user who may not make the role is told what an administrator has to do', async () => {
    const database = await openAs('lowly');
    const failure = await createDocumentStore(database).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as Error).message).toContain(
      'create role knarr_reader nologin; grant knarr_reader to "lowly"',
    );
    await database.close();
  });

  rowSecurity('for an owner who is no superuser', async () => {
    await root.exec(
      'do $$ begin create role knarr_reader nologin; exception when duplicate_object then null; end $$',
    );
    const database = await openAs('owner');
    await root.exec('grant knarr_reader to owner');
    return database;
  });

  let another: TestPostgres;
  rowSecurity(
    'for a superuser',
    async () => {
      another = await startPostgres();
      return openPostgres({ url: another.url });
    },
    () => another.stop(),
  );
});
