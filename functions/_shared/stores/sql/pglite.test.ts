import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openPGlite } from './pglite.ts';

const folders: string[] = [];
const newFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-sql-'));
  folders.push(folder);
  return folder;
};
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

test('what is committed is there after a restart, in a folder with one owner', async () => {
  const dataDir = await newFolder();
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
