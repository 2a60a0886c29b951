import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asset, workerFile } from '../../assets.ts';
import { KnarrError } from '../../errors.ts';
import { type Connection, createDatabase, type Database } from './database.ts';
import { lockFolder } from './lock.ts';
import { PGLITE_TEMPLATE } from './template.ts';
import { startWorker, type WorkerHandle } from './worker.ts';

export interface PGliteOptions {
  /** Folder of the data, made when missing; in memory when absent. One process owns it at a time. */
  dataDir?: string;
  /** Users waiting for the one connection, at most; more are told `unavailable`. */
  maxWaiting?: number;
}

/**
 * The embedded database, with the extensions `vector` and `pg_textsearch`. What is committed survives the death of
 * the process; PGlite does not force it to the disk, so a power cut may cost the last seconds: use PostgreSQL where
 * that matters. Throws `conflict` when another process owns the folder.
 */
export async function openPGlite({ dataDir, maxWaiting = 1024 }: PGliteOptions = {}): Promise<Database> {
  if (dataDir === undefined) {
    const worker = await startWorker(workerFile('pglite'), { ...template() });
    return over(worker, maxWaiting, async () => {});
  }
  await mkdir(dataDir, { recursive: true });
  const unlock = await lockFolder(dataDir);
  try {
    const folder = join(dataDir, 'database');
    if (!existsSync(folder)) await firstStart(folder);
    const worker = await startWorker(workerFile('pglite'), { folder }).catch((cause) => {
      throw new KnarrError(
        'unavailable',
        `The database in ${folder} cannot be opened; it may be damaged. Nothing was changed: put a copy in its place, or move the folder away to start anew.`,
        { cause },
      );
    });
    return over(worker, maxWaiting, unlock);
  } catch (thrown) {
    await unlock();
    throw thrown;
  }
}

/** Under another name until it is complete: an interrupted first start leaves nothing that a later one would trust. */
async function firstStart(folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const worker = await startWorker(workerFile('pglite'), { folder: unfinished, ...template() });
  await worker.stop();
  await rename(unfinished, folder);
}

/** The prepared data directory that the build makes; without it the first start takes seconds instead of one. */
function template(): { template?: string } {
  try {
    return { template: asset(PGLITE_TEMPLATE) };
  } catch {
    return {};
  }
}

function over(worker: WorkerHandle, maxWaiting: number, unlock: () => Promise<void>): Database {
  const waiting: (() => void)[] = [];
  let held = false;

  const release = () => {
    const next = waiting.shift();
    if (next) next();
    else held = false;
  };

  async function hold(): Promise<void> {
    if (held) await new Promise<void>((resolve) => waiting.push(resolve));
    held = true;
  }

  async function connect(): Promise<Connection> {
    if (waiting.length >= maxWaiting) {
      throw new KnarrError('unavailable', 'The embedded database has more work waiting than it accepts.');
    }
    await hold();
    return {
      async query<T>(sql: string, params: readonly unknown[]) {
        const { rows, affected } = await worker.ask({ op: 'query', sql, params });
        return { rows: rows as T[], affected: affected ?? 0 };
      },
      async exec(sql) {
        await worker.ask({ op: 'exec', sql });
      },
      release,
    };
  }

  let closing: Promise<void> | undefined;
  return createDatabase({
    dialect: 'pglite',
    connect,
    close() {
      // What comes after is let through, to hear that the database has stopped.
      closing ??= hold()
        .then(() => worker.stop())
        .finally(release)
        .finally(unlock);
      return closing;
    },
  });
}
