import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from './lock.ts';

async function folderWith(owner?: object | string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-lock-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const text = typeof owner === 'string' ? owner : JSON.stringify(owner);
  if (owner !== undefined) await writeFile(join(folder, 'lock'), text);
  return folder;
}
const refused = { code: 'conflict' };

test('one owner at a time, and nothing is left behind', async () => {
  const folder = await folderWith();
  const unlock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(`process ${process.pid}`);
  await unlock();
  await (await lockFolder(folder))();
  expect(await readdir(folder)).toEqual([]);
});

test('of many that come at once, one gets it', async () => {
  const folder = await folderWith({ host: hostname(), pid: 2 ** 22 + 1, started: null });
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  const owners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  expect(owners).toHaveLength(1);
  expect(await readdir(folder)).toEqual(['lock']);
  await owners[0]?.value();
});

test("a living process's lock holds; a dead one's is taken over", async () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const folder = await folderWith({ host: hostname(), pid: other.pid, started: null });
  await expect(lockFolder(folder)).rejects.toMatchObject(refused);
  other.kill('SIGKILL');
  await once(other, 'exit');
  await (await lockFolder(folder))();
});

test.runIf(process.platform === 'linux')(
  'a process that only has the same pid is not the owner',
  async () => {
    const folder = await folderWith({ host: hostname(), pid: process.pid, started: '1' });
    await (await lockFolder(folder))();
  },
);

test('an owner on another machine lives as long as it touches its lock', async () => {
  const folder = await folderWith({ host: 'another', pid: 1, started: '1' });
  await expect(lockFolder(folder)).rejects.toMatchObject(refused);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(join(folder, 'lock'), longAgo, longAgo);
  const unlock = await lockFolder(folder);
  expect(JSON.parse(await readFile(join(folder, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  await unlock();
});

test.each(['', '{', 'null', '[]'])('an unreadable lock %j is no obstacle', async (text) => {
  await (await lockFolder(await folderWith(text)))();
});
