import type { Hit, Metadata } from '../../contracts.ts';
import type { Database, Queryable } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';
import { type BuiltRef, type ChunkRow, CLOSED, type DocumentRef, type DocumentState } from './records.ts';
import { jsonb, storable } from './text.ts';

export interface ChunkColumns extends Omit<ChunkRow, 'start' | 'end'> {
  start_at: number;
  end_at: number;
  metadata: Metadata;
}
export const CHUNK_COLUMNS = `c.document, c.version, c.chunk, c.text, c.start_at, c.end_at, c.headings, c.tokens,
  v.collection, v.generation, v.title, v.uri, v.metadata, v.acl`;

export const chunkRow = ({ start_at, end_at, ...row }: ChunkColumns): ChunkRow => ({
  ...row,
  start: start_at,
  end: end_at,
});

/** Chunks, and how far each version's chunks have come. */
export function chunks(
  database: Database,
): Pick<DocumentStore, 'saveChunks' | 'chunks' | 'recordIndexed' | 'complete' | 'currentChunks'> {
  return {
    saveChunks(ref, extracted) {
      const { tenant, document, version } = ref;
      return database.transaction(async (tx) => {
        const state = await lockState(tx, ref);
        if (state === undefined || CLOSED.includes(state)) return false;
        const rows = extracted.chunks.map((chunk) => ({ ...chunk, text: storable(chunk.text) }));
        await tx.query(
          'delete from chunks where tenant = $1 and document = $2 and version = $3 and chunk <> all($4::integer[])',
          [tenant, document, version, rows.map(({ chunk }) => chunk)],
        );
        // A chunk that says the same as before stays indexed: a repeated delivery undoes no work.
        await tx.query(
          `insert into chunks (tenant, document, version, chunk, text, start_at, end_at, headings, tokens)
           select $1, $2, $3, chunk, text, start, "end", headings, tokens from jsonb_to_recordset($4::jsonb)
             as given(chunk integer, text text, start integer, "end" integer, headings jsonb, tokens integer)
           on conflict (tenant, document, version, chunk) do update set
             text = excluded.text, start_at = excluded.start_at, end_at = excluded.end_at,
             headings = excluded.headings, tokens = excluded.tokens,
             indexed = chunks.indexed and chunks.text = excluded.text and chunks.headings = excluded.headings`,
          [tenant, document, version, jsonb(rows)],
        );
        await settle(tx, ref, extracted.title === null ? null : storable(extracted.title));
        return true;
      });
    },

    async chunks({ tenant, document, version }, ordinals) {
      const { rows } = await database.query<ChunkColumns>(
        `select ${CHUNK_COLUMNS} from chunks c join versions v using (tenant, document, version)
         where tenant = $1 and document = $2 and version = $3 ${ordinals ? 'and c.chunk = any($4::integer[])' : ''}
         order by c.chunk`,
        ordinals ? [tenant, document, version, ordinals] : [tenant, document, version],
      );
      return rows.map(chunkRow);
    },

    recordIndexed(ref, ordinals) {
      const { tenant, document, version } = ref;
      return database.transaction(async (tx) => {
        const state = await lockState(tx, ref);
        if (state !== 'chunked' && state !== 'embedded' && state !== 'indexed') {
          return { indexed: 0, total: 0 };
        }
        await tx.query(
          `update chunks set indexed = true where tenant = $1 and document = $2 and version = $3
           and chunk = any($4::integer[]) and not indexed`,
          [tenant, document, version, ordinals],
        );
        const { indexed, total } = await settle(tx, ref, null);
        return { indexed, total };
      });
    },

    async complete({ tenant, document, version }) {
      const { affected } = await database.query(
        `update versions set state = 'indexed', rebuilding = false, redrives = 0, updated_at = now()
         where tenant = $1 and document = $2 and version = $3 and state = 'embedded' and indexed_chunks = chunks`,
        [tenant, document, version],
      );
      if (affected === 0) return false;
      await database.query(
        `delete from outbox where tenant = $1 and subject = $2 collate "C" and data->'version' = to_jsonb($3::integer)
           and name = 'document.accepted' and not data ? 'again' and exists (select from versions
             where tenant = $1 and document = $2 and version = $3 and state = 'indexed')`,
        [tenant, document, version],
      );
      // In a statement of its own: a replay takes letter and version the other way round.
      await database.query(
        `delete from dead_letters where tenant = $1 and subject = $2 and event->'data'->'version' = to_jsonb($3::integer)`,
        [tenant, document, version],
      );
      return true;
    },

    async currentChunks({ tenant, principals }, hits, neighbours) {
      const wanted = withNeighbours(hits, neighbours);
      const { rows } = await database.query<ChunkColumns>(
        'select * from current_chunks($1, $2, $3, $4, $5)',
        [
          tenant,
          principals,
          wanted.map(({ document }) => document),
          wanted.map(({ version }) => version),
          wanted.map(({ chunk }) => chunk),
        ],
      );
      return rows.map(chunkRow);
    },
  };
}

/** The chunks named by the hits and those around them, each once. */
function withNeighbours(hits: readonly Hit[], neighbours: number): Omit<Hit, 'score'>[] {
  const wanted = new Map<string, Omit<Hit, 'score'>>();
  for (const { document, version, chunk: centre } of hits) {
    for (let chunk = Math.max(0, centre - neighbours); chunk <= centre + neighbours; chunk++) {
      wanted.set(`${version} ${chunk} ${document}`, { document, version, chunk });
    }
  }
  return [...wanted.values()];
}

/** The head's state, held until the transaction ends; undefined for any other version, or one of another generation. */
async function lockState(tx: Queryable, { tenant, document, version, generation }: BuiltRef) {
  const { rows } = await tx.query<{ state: DocumentState }>(
    `select v.state from versions v join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
     where v.tenant = $1 and v.document = $2 and v.version = $3 and ($4::text is null or v.generation = $4)
     for update of v`,
    [tenant, document, version, generation ?? null],
  );
  return rows[0]?.state;
}

/** Counts the chunks again and derives the state from them. It stays `indexed` only while all of them are. */
async function settle(tx: Queryable, { tenant, document, version }: DocumentRef, title: string | null) {
  const { rows } = await tx.query<{ indexed: number; total: number }>(
    `update versions set chunks = total, indexed_chunks = indexed, title = coalesce(title, $4), updated_at = now(),
       state = case when indexed = total and state = 'indexed' then 'indexed'
         when indexed > 0 then 'embedded' else 'chunked' end
     from (select count(*)::integer as total, count(*) filter (where indexed)::integer as indexed
           from chunks where tenant = $1 and document = $2 and version = $3) as counted
     where tenant = $1 and document = $2 and version = $3
     returning indexed, total`,
    [tenant, document, version, title],
  );
  const [settled] = rows;
  if (!settled) throw new Error('The version vanished while it was locked.');
  return settled;
}
