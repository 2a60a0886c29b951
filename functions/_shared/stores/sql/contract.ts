import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from './database.ts';
import { migrate } from './migrate.ts';

/** What every database handle must do. */
export function databaseContract(
  name: string,
  open: () => Promise<{ database: Database; close: () => Promise<void> }>,
): void {
  describe(name, () => {
    let database: Database;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ database, close } = await open());
      await database.exec(
        'create table counter (id integer primary key, n integer not null check (n < 1000)); insert into counter values (1, 0)',
      );
    });
    afterAll(() => close?.());
    const counted = async () => {
      const { rows } = await database.query<{ n: number }>('select n from counter where id = 1');
      return rows[0]?.n;
    };

    test('values of all kinds come back alike', async () => {
      const at = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
      const { rows } = await database.query(
        `select $1::text as text, $2::bigint as whole, $3::float8 as real, $4::boolean as yes, $5::jsonb as json,
           $6::text[] as texts, $7::integer[] as numbers, $8::timestamptz as at, null as nothing, $9::text[] as none`,
        [
          'ä"\'\\',
          2 ** 40,
          0.1,
          true,
          JSON.stringify({ a: ['\\u0000'] }),
          ['a,b', '{"}', ' ', ''],
          [1, -2],
          at,
          [],
        ],
      );
      expect(rows).toEqual([
        {
          text: 'ä"\'\\',
          whole: 2 ** 40,
          real: 0.1,
          yes: true,
          json: { a: ['\\u0000'] },
          texts: ['a,b', '{"}', ' ', ''],
          numbers: [1, -2],
          at,
          nothing: null,
          none: [],
        },
      ]);
    });

    test('the number of rows changed', async () => {
      expect(await database.query('update counter set n = n where id < 2')).toEqual({
        rows: [],
        affected: 1,
      });
      expect((await database.query('update counter set n = n where id > 2')).affected).toBe(0);
    });

    test('a refused statement has its SQLSTATE and constraint', async () => {
      await expect(database.query('select nothing')).rejects.toMatchObject({ code: '42703' });
      await expect(database.query('insert into counter values (1, 0)')).rejects.toMatchObject({
        code: '23505',
        constraint: 'counter_pkey',
      });
      await expect(database.exec('nonsense')).rejects.toMatchObject({ code: '42601' });
      await expect(database.query('select $1::text', ['a\0'])).rejects.toMatchObject({ code: '22021' });
    });

    test('a transaction that throws leaves nothing, and the next statement is outside of it', async () => {
      const before = await counted();
      const broken = database.transaction(async (tx) => {
        await tx.query('update counter set n = n + 1');
        throw new Error('changed its mind');
      });
      await expect(broken).rejects.toThrow('changed its mind');
      const refused = database.transaction(async (tx) => {
        await tx.query('update counter set n = n + 1');
        await tx.query('update counter set n = 1000');
      });
      await expect(refused).rejects.toMatchObject({ code: '23514' });
      expect(await counted()).toBe(before);
    });

    test('a transaction is dead after its end', async () => {
      const escaped = await database.transaction(async (tx) => tx);
      await expect(escaped.query('select 1')).rejects.toThrow('over');
      await expect(escaped.exec('select 1')).rejects.toThrow('over');
    });

    test('many transactions at once do not lose an update', async () => {
      const before = (await counted()) ?? 0;
      await Promise.all(
        Array.from({ length: 50 }, () =>
          database.transaction(async (tx) => {
            const { rows } = await tx.query<{ n: number }>('select n from counter where id = 1 for update');
            await tx.query('update counter set n = $1', [(rows[0]?.n ?? 0) + 1]);
          }),
        ),
      );
      expect(await counted()).toBe(before + 50);
    });

    test('the query builder runs on it, inside and outside of transactions', async () => {
      interface Tables {
        counter: { id: number; n: number };
      }
      const db = database.kysely<Tables>();
      const before = await counted();
      await expect(
        database.transaction(async (tx) => {
          await tx.kysely<Tables>().updateTable('counter').set({ n: 7 }).execute();
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      await expect(db.insertInto('counter').values({ id: 1, n: 1 }).execute()).rejects.toMatchObject({
        code: '23505',
      });
      const [result] = await db.updateTable('counter').set({ n: 3 }).where('id', '=', 1).execute();
      expect(result?.numUpdatedRows).toBe(1n);
      expect(before).not.toBe(3);
      expect(await db.selectFrom('counter').selectAll().execute()).toEqual([{ id: 1, n: 3 }]);
    });

    test('migrations run once, also when several start together; a failing one leaves nothing', async () => {
      const ran: string[] = [];
      const migrations = {
        '0001_first': { up: async () => void ran.push('first') },
        '0002_second': { up: async () => void ran.push('second') },
      };
      await Promise.all(Array.from({ length: 4 }, () => migrate(database, 'sample', migrations)));
      expect(ran).toEqual(['first', 'second']);
      const broken = migrate(database, 'broken', {
        '0001_table': { up: (db) => db.schema.createTable('half').addColumn('id', 'integer').execute() },
        '0002_broken': { up: () => Promise.reject(new Error('cannot')) },
      });
      await expect(broken).rejects.toThrow('cannot');
      await expect(database.query('select * from half')).rejects.toMatchObject({ code: '42P01' });
    });
  });
}
