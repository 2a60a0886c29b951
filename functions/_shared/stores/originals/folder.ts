import { constants, createReadStream } from 'node:fs';
import { access, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { KnarrError } from '../../errors.ts';
import { checkKey, type OriginalStore, readOriginal } from './port.ts';

const READ_BYTES = 1024 * 1024;

/** Originals as files below a folder, which is made when missing. */
export function folderOriginals(folder: string): OriginalStore {
  const pathOf = (key: string) => join(folder, fileOf(key));

  return {
    async put(key, content) {
      const path = pathOf(key);
      if (await isWhole(path, content.byteLength)) return;
      const unfinished = `${path}.${crypto.randomUUID()}`;
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeDurably(unfinished, content);
        await rename(unfinished, path);
        await syncFolder(dirname(path));
      } catch (thrown) {
        await rm(unfinished, { force: true }).catch(() => {});
        throw full(thrown);
      }
    },
    async get(key, signal) {
      const file = createReadStream(pathOf(key), { highWaterMark: READ_BYTES, ...(signal && { signal }) });
      return readOriginal(key, file).catch(absent);
    },
    async delete(key) {
      await rm(pathOf(key), { force: true });
    },
    async ping() {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
    },
  };
}

/** One folder for each tenant: one for each key would take more room than most originals. Throws `invalid_request` as `checkKey` does. */
export function fileOf(key: string): string {
  checkKey(key);
  return key.replace(/(~[0-9a-f]{16})\/(.*)$/, '/$2$1');
}

/** The key names the content, so a file of the right length is the same content. */
async function isWhole(path: string, bytes: number): Promise<boolean> {
  return (await stat(path).catch(absent))?.size === bytes;
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

const FULL: Record<string, string> = {
  ENOSPC: 'its disk is full',
  EDQUOT: 'its quota is used up',
  EROFS: 'its disk is read-only',
};
const FULL_RETRY_S = 30;

/** What somebody has to make room for, and may be tried again then. */
function full(thrown: unknown): unknown {
  const why = FULL[(thrown as NodeJS.ErrnoException).code ?? ''];
  if (why === undefined) return thrown;
  return new KnarrError('unavailable', `The original cannot be stored: ${why}.`, {
    cause: thrown,
    retryAfter: FULL_RETRY_S,
  });
}

/** Makes the new name durable, where the file system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function absent(thrown: unknown): undefined {
  if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw thrown;
}
