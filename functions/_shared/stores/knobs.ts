import { z } from 'zod';
import { integer, knob } from '../config.ts';
import { originalKnobs } from './originals/knobs.ts';
import { qdrantKnobs } from './vectors/qdrant/knobs.ts';

const postgresUrl = z
  .url({ protocol: /^postgres(ql)?$/, error: 'expected postgres://user:password@host:port/database' })
  .optional();

/** Where the stores keep their data. */
export const storeKnobs = {
  databaseUrl: knob(
    'DATABASE_URL',
    postgresUrl,
    'PostgreSQL for documents, versions, chunks, outbox, dead letters and answers. Unset: the embedded database.',
    { secret: true },
  ),
  databaseConnections: knob(
    'KNARR_DATABASE_CONNECTIONS',
    integer(10, 1, 1000),
    'Connections to PostgreSQL that one process holds at most. Times the most pods that there may be it has to stay below max_connections.',
  ),
  dataDir: knob(
    'KNARR_DATA_DIR',
    z.string().default('.knarr'),
    'Folder of the embedded database and of the original documents. One process owns it at a time.',
  ),
  vectorStore: knob(
    'KNARR_VECTOR_STORE',
    z.enum(['embedded', 'postgres']).optional(),
    'Where vectors are: `embedded`, in KNARR_DATA_DIR; `postgres`, in DATABASE_URL, which then needs pgvector and pg_textsearch. Unset: beside the documents; in one process with DATABASE_URL, embedded.',
  ),
  vectorDatabaseUrl: knob(
    'KNARR_VECTOR_DATABASE_URL',
    postgresUrl,
    'PostgreSQL for vectors alone, with pgvector and pg_textsearch, where that of DATABASE_URL has no such extensions. Instead of KNARR_VECTOR_STORE.',
    { secret: true },
  ),
  ...originalKnobs,
  ...qdrantKnobs,
};
