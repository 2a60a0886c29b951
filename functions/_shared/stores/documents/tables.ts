import type { ColumnType, Generated } from 'kysely';
import type { Metadata } from '../../contracts.ts';
import type { CloudEvent } from '../../events.ts';
import { type DocumentState, type Said, UNFINISHED } from './records.ts';

/** Written as JSON text, read as a value. */
type Jsonb<T> = ColumnType<T, string, string>;

/** States of a version that has not ended, as SQL. */
export const UNFINISHED_SQL = `('${UNFINISHED.join("', '")}')`;

/** The tables as Kysely sees them; `migrations.ts` makes them. */
export interface Tables {
  collections: { tenant: string; collection: string; generation: string };
  documents: { tenant: string; document: string; head: number };
  versions: VersionTable;
  chunks: ChunkTable;
  originals: {
    tenant: string;
    original: string;
    content_hash: string | null;
    touched_at: Generated<Date>;
    /** Its removal has begun: its key stands for nothing any more. */
    removing: Generated<boolean>;
  };
  outbox: OutboxTable;
  dead_letters: DeadLetterTable;
  answers: AnswerTable;
  idempotency_keys: {
    tenant: string;
    key: string;
    fingerprint: string;
    document: string;
    version: number;
    created_at: Generated<Date>;
  };
}

interface VersionTable {
  tenant: string;
  document: string;
  version: number;
  collection: string;
  generation: string;
  title: string | null;
  uri: string | null;
  content_type: string;
  content_hash: string;
  bytes: number;
  original: string;
  metadata: Jsonb<Metadata>;
  acl: string[];
  /** What makes two submissions the same: see `fingerprint`. */
  fingerprint: string;
  state: DocumentState;
  chunks: Generated<number>;
  indexed_chunks: Generated<number>;
  error_code: ColumnType<string | null, never, string | null>;
  error_message: ColumnType<string | null, never, string | null>;
  redrives: Generated<number>;
  removed: Generated<boolean>;
  rebuilding: Generated<boolean>;
  /** When the event of its submission was said; null: when it was created. */
  said_at: Generated<Date | null>;
  /** When the Broker took its event; null while that waits in the outbox. */
  sent_at: ColumnType<Date | null, never, Date | null>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

interface ChunkTable {
  tenant: string;
  document: string;
  version: number;
  chunk: number;
  text: string;
  start_at: number;
  end_at: number;
  headings: Jsonb<string[]>;
  tokens: number;
  indexed: Generated<boolean>;
}

interface OutboxTable {
  id: Generated<number>;
  /** The id of the row whose place it has; null: its own. */
  turn: ColumnType<number | null, number | undefined, never>;
  tenant: string;
  name: string;
  subject: string;
  data: Jsonb<unknown>;
  traceparent: string | null;
  /** Attributes of an event that is said again as it was. */
  said: ColumnType<Said | null, string | undefined, never>;
  attempts: Generated<number>;
  claimed_until: ColumnType<Date | null, never, Date | null>;
}

interface DeadLetterTable {
  tenant: string;
  id: string;
  event: Jsonb<CloudEvent>;
  code: string;
  message: string;
  destination: string;
  received_at: Date;
  type: string;
  subject: string | null;
  attempts: Generated<number>;
  replayed_at: ColumnType<Date | null, never, Date | null>;
}

interface AnswerTable {
  tenant: string;
  id: string;
  principals: string[];
  state: 'pending' | 'answered' | 'failed';
  result: ColumnType<unknown, string | null, string | null>;
  created_at: Generated<Date>;
  expires_at: Date;
}
