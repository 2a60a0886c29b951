import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { KnarrError } from '../../errors.ts';

const Owner = z.object({
  host: z.string(),
  pid: z.int().positive(),
  /** When the process started, as the kernel counts it: tells a process from a later one with the same pid. */
  started: z.string().nullable(),
});
type Owner = z.infer<typeof Owner>;

/** An owner on another machine shows that it lives by touching its lock this often. */
const HEARTBEAT_MS = 5000;
const SILENT_MS = 4 * HEARTBEAT_MS;

/**
 * Takes a folder for this process; the returned function gives it back. The lock of a process that has died is
 * taken over. Throws `conflict` naming the owner otherwise.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  const mine: Owner = { host: hostname(), pid: process.pid, started: await startOf(process.pid) };
  const text = JSON.stringify(mine);
  const candidate = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;

  await writeFile(candidate, text);
  try {
    for (let attempt = 0; !(await linked(candidate, path)); attempt++) {
      const found = await readFile(path, 'utf8').catch(() => undefined);
      if (found === undefined) continue;
      if (attempt > 3 || (await lives(found, path))) throw taken(folder, found);
      await setAside(path, found);
    }
  } finally {
    await rm(candidate, { force: true });
  }

  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS).unref();
  return async () => {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  };
}

/** A link appears whole or not at all, and never over an existing file. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

/** A takeover that was itself cut off is forgotten after this long. */
const TAKEOVER_MS = 10_000;

/** Removes a dead owner's lock, and only that: while one does, no other may, so what it has read stays true. */
async function setAside(path: string, dead: string): Promise<void> {
  const guard = `${path}.takeover`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch {
    const begun = await stat(guard).catch(() => undefined);
    if (begun && Date.now() - begun.mtimeMs > TAKEOVER_MS) await rm(guard, { force: true });
    return;
  }
  try {
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === dead) await rm(path);
  } finally {
    await rm(guard, { force: true });
  }
}

async function lives(lock: string, path: string): Promise<boolean> {
  const owner = parse(lock);
  if (!owner) return false;
  if (owner.host !== hostname()) {
    const touched = await stat(path).catch(() => undefined);
    return touched !== undefined && Date.now() - touched.mtimeMs < SILENT_MS;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
  return owner.started === null || owner.started === (await startOf(owner.pid));
}

function parse(lock: string): Owner | undefined {
  try {
    return Owner.safeParse(JSON.parse(lock)).data;
  } catch {
    return undefined;
  }
}

/** Start time in clock ticks since boot (proc(5), field 22 of stat); null where there is no /proc. */
async function startOf(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function taken(folder: string, lock: string): KnarrError {
  const owner = parse(lock);
  const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process';
  return new KnarrError(
    'conflict',
    `The data in ${folder} belongs to ${who}; stop that first, or choose another folder with KNARR_DATA_DIR.`,
  );
}
