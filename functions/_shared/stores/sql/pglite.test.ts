import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { databaseContract } from './contract.ts';
import { openPGlite } from './pglite.ts';

databaseContract('PGlite', async () => {
  const database = await openPGlite();
  return { database, close: () => database.close() };
});

test('what is committed is there after a restart, in a folder with one owner', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'knarr-sql-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const first = await openPGlite({ dataDir });
  await first.exec('create table note (id int primary key, embedding vector(3))');
  await first.query('insert into note values ($1, $2)', [1, Float32Array.of(0.5, -1, 1e-7)]);
  await expect(openPGlite({ dataDir })).rejects.toMatchObject({ code: 'conflict' });
  await first.close();

  const second = await openPGlite({ dataDir });
  const { rows } = await second.query<{ embedding: string }>('select embedding::text from note');
  expect(rows.map((row) => Float32Array.from(JSON.parse(row.embedding)))).toEqual([
    Float32Array.of(0.5, -1, 1e-7),
  ]);
  await second.close();
});

test('the queue is bounded, closing waits for it, and afterwards there is nothing to ask', async () => {
  const database = await openPGlite({ maxWaiting: 3 });
  const asked = Array.from({ length: 6 }, (_, n) => database.query(`select ${n} as n`));
  const closing = database.close();
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...Array(4).fill('fulfilled'),
    ...Array(2).fill('rejected'),
  ]);
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'unavailable', status: 503 } });
  await closing;
  await database.close();
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'unavailable' });
});
