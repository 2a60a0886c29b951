import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asset } from '../../../functions/_shared/assets.ts';
import { openLedger } from '../../../functions/_shared/stores/open.ts';
import { PGLITE_TEMPLATE } from '../../../functions/_shared/stores/sql/template.ts';
import { startPostgres } from '../postgres.ts';
import { closerOf, startProgram } from '../program.ts';

const VECTOR_SERVER = new URL('./vector-server.mjs', import.meta.url).pathname;

/** What processes of one pipeline share. */
export interface SharedStores {
  /** What every stage's environment says of the stores. */
  env: Record<string, string>;
  /** An admin's API key. */
  key: string;
  close(): Promise<void>;
}

/**
 * Documents on PostgreSQL, originals in a folder, vectors on the embedded database behind a socket: Debian's PostgreSQL
 * has no pgvector. Where QDRANT_URL names a server, vectors are there. Databases listen on sockets in the file system,
 * which reach into every network namespace.
 */
export async function openSharedStores(): Promise<SharedStores> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-stores-'));
  const closers: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = closerOf(closers);
  try {
    const vectors = openVectorServer(folder, closers);
    const postgres = await startPostgres();
    closers.push(() => postgres.stop());
    const env = {
      DATABASE_URL: postgres.socketUrl,
      KNARR_DATA_DIR: join(folder, 'data'),
      ...(await vectors),
    };
    const { documents, access } = await openLedger({ databaseUrl: env.DATABASE_URL, dataDir: '' });
    const { key } = await access.createKey(
      {
        tenant: 'default',
        name: 'test',
        role: 'admin',
        collections: null,
        principals: [],
        expiresAt: null,
      },
      { actor: 'test' },
    );
    await documents.close();
    return { env, key, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function openVectorServer(folder: string, closers: (() => unknown)[]): Promise<Record<string, string>> {
  const { QDRANT_URL } = process.env;
  if (QDRANT_URL) {
    return { QDRANT_URL, KNARR_QDRANT_PREFIX: `e2e-${process.pid}-${Date.now().toString(36)}` };
  }
  // The name that PostgreSQL's clients expect in the folder.
  const server = startProgram(process.execPath, [
    VECTOR_SERVER,
    asset(PGLITE_TEMPLATE),
    join(folder, '.s.PGSQL.5432'),
  ]);
  closers.push(() => server.stop());
  await server.said(/^ready$/);
  return { KNARR_VECTOR_DATABASE_URL: `postgres://postgres@localhost/postgres?host=${folder}` };
}
