import { join } from 'node:path';
import { folderOriginals } from './folder.ts';
import type { OriginalStore } from './port.ts';

/** The store of originals that is configured: a folder below the data folder. */
export function openOriginals({ dataDir }: { dataDir: string }): OriginalStore {
  return folderOriginals(join(dataDir, 'originals'));
}
