import { randomUUID } from 'node:crypto';
import type { Drift } from '../../contracts.ts';
import type { Database } from '../sql/database.ts';
import { CHUNK_COLUMNS, type ChunkColumns, chunkRow } from './chunks.ts';
import type { DocumentStore } from './port.ts';
import { UNFINISHED_SQL } from './tables.ts';
import { jsonb } from './text.ts';

/** The ledger's side of the comparison with the vector store. */
export function reconciliation(
  database: Database,
): Pick<
  DocumentStore,
  | 'expectedChunks'
  | 'liveChunks'
  | 'underWay'
  | 'claimComparison'
  | 'keepComparison'
  | 'recordComparison'
  | 'lastComparison'
> {
  return {
    async expectedChunks(after, limit) {
      // Of a document there is one version here. It is in the order so that a page is read off the index, and nothing sorted.
      const { rows } = await database.query<ChunkColumns & { tenant: string }>(
        `select c.tenant, ${CHUNK_COLUMNS} from chunks c
         join versions v on v.tenant = c.tenant and v.document = c.document and v.version = c.version
           and v.state = 'indexed'
         join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
         ${after ? 'where (c.tenant, c.document, c.chunk) > ($2, $3, $4::integer)' : ''}
         order by c.tenant, c.document, c.version, c.chunk limit $1`,
        after ? [limit, ...after] : [limit],
      );
      return rows.map(({ tenant, ...row }) => ({ tenant, ...chunkRow(row) }));
    },

    async liveChunks(tenant, refs) {
      const { rows } = await database.query<ChunkColumns>(
        `select ${CHUNK_COLUMNS}
         from jsonb_to_recordset($2::jsonb) as r(document text, version integer, chunk integer)
         join versions v on v.tenant = $1 and v.document = r.document and v.version = r.version
           and v.state in ('chunked', 'embedded', 'indexed')
         join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
         join chunks c on c.tenant = $1 and c.document = r.document and c.version = r.version and c.chunk = r.chunk`,
        [tenant, jsonb(refs)],
      );
      return rows.map(chunkRow);
    },

    async underWay(tenant, documents) {
      const { rows } = await database.query<{ document: string }>(
        `select d.document from documents d
         join versions v on v.tenant = d.tenant and v.document = d.document and v.version = d.head
         where d.tenant = $1 and d.document = any($2::text[])
           and (v.state in ${UNFINISHED_SQL} or (v.state = 'deleted' and not v.removed))`,
        [tenant, documents],
      );
      return new Set(rows.map(({ document }) => document));
    },

    async claimComparison({ begin, claimMs }) {
      const claim = randomUUID();
      const { rows } = await database.query<{ cursor: string }>(
        `update comparison set cursor = coalesce(cursor, ''), claim = $1, claimed_until = now() + $2::float8 * interval '1 millisecond'
         where (claimed_until is null or claimed_until <= now()) and ($3::boolean or cursor is not null)
         returning cursor`,
        [claim, claimMs, begin],
      );
      return rows[0] && { claim, cursor: rows[0].cursor === '' ? undefined : rows[0].cursor };
    },

    async keepComparison(claim, { cursor, claimMs }) {
      const { affected } = await database.query(
        `update comparison set cursor = $2, claimed_until = now() + $3::float8 * interval '1 millisecond' where claim = $1`,
        [claim, cursor ?? null, claimMs],
      );
      return affected === 1;
    },

    async recordComparison(drift) {
      await database.query('update comparison set drift = $1, completed_at = now()', [jsonb(drift)]);
    },

    async lastComparison() {
      const { rows } = await database.query<{ drift: Drift | null; at: Date }>(
        'select drift, completed_at as at from comparison',
      );
      return rows[0] && { at: rows[0].at, drift: rows[0].drift ?? undefined };
    },
  };
}
