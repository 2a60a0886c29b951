import { z } from '@hono/zod-openapi';
import { CollectionName, DocumentId, Metadata, Version } from '../../_shared/contracts.ts';
import type { Acceptance } from '../../_shared/stores/documents/port.ts';
import { DOCUMENT_STATES, type DocumentRecord } from '../../_shared/stores/documents/records.ts';

const State = z.enum(DOCUMENT_STATES).meta({ description: 'How far this version has come.' });
const Links = z.object({ self: z.string(), events: z.string() });

/** Answer to an accepted document. */
export const Accepted = z
  .object({ id: DocumentId, version: Version, state: State, collection: CollectionName, links: Links })
  .meta({ id: 'Accepted' });

/** State of a document. */
export const DocumentView = z
  .object({
    ...Accepted.shape,
    title: z.string().nullable(),
    uri: z.string().nullable(),
    content_type: z.string(),
    bytes: z.int(),
    metadata: Metadata,
    acl: z.array(z.string()),
    chunks: z.int().meta({ description: 'Chunks of this version; 0 until it is `chunked`.' }),
    indexed_chunks: z.int().meta({ description: 'Chunks that can be found.' }),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Document' });

export const documentPath = (id: string) => `/v1/documents/${encodeURIComponent(id)}`;
const linksOf = (id: string) => ({ self: documentPath(id), events: `${documentPath(id)}/events` });

export function acceptedView({
  document: id,
  version,
  state,
  collection,
}: Acceptance): z.infer<typeof Accepted> {
  return { id, version, state, collection, links: linksOf(id) };
}

/** A version as the ledger has it, with why it ended. */
export const VersionView = z
  .object({
    version: Version,
    state: State,
    reason: z
      .string()
      .nullable()
      .meta({ description: 'Why it ended as it did; null while it has not, and for `indexed`.' }),
    collection: CollectionName,
    bytes: z.int(),
    chunks: z.int(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Version' });

export function versionView(record: DocumentRecord): z.infer<typeof VersionView> {
  const { version, state, collection, bytes, chunks, createdAt, updatedAt } = record;
  return {
    version,
    state,
    reason: reasonOf(record),
    collection,
    bytes,
    chunks,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

function reasonOf({ version, state, error }: DocumentRecord): string | null {
  if (state === 'dead_lettered') return `${error?.code}: ${error?.message}`;
  if (state === 'superseded') return `Version ${version + 1} took its place.`;
  return state === 'deleted' ? 'The document was deleted.' : null;
}

export function documentView(record: DocumentRecord): z.infer<typeof DocumentView> {
  const {
    document: id,
    version,
    state,
    collection,
    title,
    uri,
    bytes,
    metadata,
    acl,
    chunks,
    error,
  } = record;
  return {
    id,
    version,
    state,
    collection,
    links: linksOf(id),
    title,
    uri,
    content_type: record.contentType,
    bytes,
    metadata,
    acl,
    chunks,
    indexed_chunks: record.indexedChunks,
    error,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
  };
}
