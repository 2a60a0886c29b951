import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openDocuments } from '../documents/open.ts';

const WRITER = fileURLToPath(new URL('../../../../test/support/writer.ts', import.meta.url));

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-crash-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the writer and kills it without warning when `until` resolves; gives how many documents it saw accepted. */
async function runAndKill(folder: string, until: (accepted: () => number) => Promise<void>): Promise<number> {
  const writer = spawn(process.execPath, ['--import', 'tsx', WRITER, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let accepted = 0;
  createInterface({ input: writer.stdout }).on('line', () => accepted++);
  const closed = once(writer, 'close');
  await until(() => accepted);
  expect(writer.exitCode).toBeNull();
  writer.kill('SIGKILL');
  await closed;
  return accepted;
}

/** How many documents there are, and how many of them had their event still in the outbox. */
async function inspect(folder: string): Promise<{ documents: number; events: number }> {
  const store = await openDocuments({ dataDir: folder });
  const [collection] = await store.collections({ tenant: 'acme', principals: ['*'] });
  const events = await store.claimOutbox(1_000_000);
  await store.ackOutbox(events.map(({ id }) => id));
  await store.close();
  return { documents: collection?.documents ?? 0, events: events.length };
}

test('killed while it writes, the store has every acknowledged document with its event', async () => {
  const folder = await newFolder();
  let before = 0;
  for (let round = 1; round <= 2; round++) {
    const accepted = await runAndKill(folder, async (count) => {
      while (count() < round * 20) await sleep(1);
    });
    const { documents, events } = await inspect(folder);
    // The one that was being acknowledged may or may not be there.
    expect([accepted, accepted + 1]).toContain(documents - before);
    expect(events).toBe(documents - before);
    before = documents;
  }
});

test('killed during its first start, the next one starts anew', async () => {
  const folder = await newFolder();
  await runAndKill(folder, async () => {
    while (!existsSync(join(folder, 'database.unfinished', 'PG_VERSION'))) await sleep(1);
  });
  expect(existsSync(join(folder, 'database'))).toBe(false);
  expect(await inspect(folder)).toEqual({ documents: 0, events: 0 });
});
