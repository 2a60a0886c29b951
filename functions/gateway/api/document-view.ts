import { z } from '@hono/zod-openapi';
import { CollectionName, DocumentId, Metadata, Version } from '../../_shared/contracts.ts';
import {
  type Acceptance,
  DOCUMENT_STATES,
  type DocumentRecord,
} from '../../_shared/stores/documents/port.ts';

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

/** States that a version never leaves. */
export const ENDED: readonly string[] = ['indexed', 'superseded', 'deleted', 'dead_lettered'];

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
