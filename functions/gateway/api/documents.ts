import { z } from '@hono/zod-openapi';
import { CollectionName, DocumentId } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { Call } from '../../_shared/stage.ts';
import type { Acceptance } from '../../_shared/stores/documents/port.ts';
import { DOCUMENT_STATES, type DocumentRecord } from '../../_shared/stores/documents/records.ts';
import { accept } from '../accept/accept.ts';
import { recorded } from '../accept/writer.ts';
import type { GatewayDeps } from '../deps.ts';
import { DOCUMENT_CONTENT, DocumentQuery, readIncoming } from './document-body.ts';
import {
  Accepted,
  acceptedView,
  DocumentView,
  documentPath,
  documentView,
  VersionView,
  versionView,
} from './document-view.ts';
import { type Api, type ApiCall, type ApiContext, endpoint, queryInteger, writerOf } from './endpoint.ts';

const tag = 'Documents';
export const DocumentParams = z.object({ id: DocumentId });

const IdempotencyHeader = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description: 'The same key again answers as the first time, and accepts nothing.',
  }),
});

const ACCEPTED = {
  202: { description: 'Accepted durably; it becomes searchable in a moment.', json: Accepted },
  200: { description: 'The same content, metadata and access are already current.', json: Accepted },
};

export function documentRoutes(api: Api, deps: GatewayDeps): void {
  async function acceptBody(
    c: ApiContext,
    id: string | undefined,
    query: z.infer<typeof DocumentQuery>,
    call: ApiCall,
  ) {
    const key = idempotencyKey(c);
    const repeats = key === undefined ? undefined : { idempotencyKey: key };
    const room = deps.bodies.open();
    try {
      const incoming = await readIncoming(c, query, deps, room, call.signal);
      return answerAccepted(c, await accept(id, incoming, writerOf(call), deps, repeats));
    } finally {
      room.end();
    }
  }

  endpoint(
    api,
    {
      method: 'put',
      path: '/v1/documents/{id}',
      role: 'writer',
      tag,
      summary: 'Add or replace a document',
      description:
        'As JSON, as the raw content with its media type, or as multipart/form-data. Ids are URL-encoded and may contain slashes.',
      params: DocumentParams,
      query: DocumentQuery,
      headers: IdempotencyHeader,
      content: DOCUMENT_CONTENT,
      answers: ACCEPTED,
    },
    ({ c, params: { id = '' }, query, call }) => acceptBody(c, id, query, call),
  );

  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/documents',
      role: 'writer',
      tag,
      summary: 'Add a document under an id made by the server',
      query: DocumentQuery,
      headers: IdempotencyHeader,
      content: DOCUMENT_CONTENT,
      answers: ACCEPTED,
    },
    ({ c, query, call }) => acceptBody(c, undefined, query, call),
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/documents',
      role: 'reader',
      tag,
      summary: 'List documents',
      query: z.strictObject({
        collection: CollectionName.optional(),
        state: z.enum(DOCUMENT_STATES).optional(),
        limit: queryInteger(1, 1000, 100),
        cursor: z.string().max(2048).optional().meta({ description: '`next` of the page before.' }),
      }),
      answers: {
        200: {
          description: 'A page; `next` is absent on the last one.',
          json: z.object({ documents: z.array(DocumentView), next: z.string().optional() }),
        },
      },
    },
    async ({ c, query, call }) => {
      const { items, next } = await deps.documents.list(call, query);
      return c.json({ documents: items.map(documentView), ...(next !== undefined && { next }) });
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/documents/{id}',
      role: 'reader',
      tag,
      summary: 'State of a document',
      params: DocumentParams,
      answers: { 200: { description: 'Its current version.', json: DocumentView } },
    },
    async ({ c, params: { id = '' }, call }) => c.json(documentView(await headOf(deps, call, id))),
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/documents/{id}/versions',
      role: 'reader',
      tag,
      summary: 'Every version of a document, newest first, and how each ended',
      params: DocumentParams,
      query: z.strictObject({
        limit: queryInteger(1, 1000, 100),
        below: queryInteger(1, 2 ** 31 - 1, 2 ** 31 - 1).meta({
          description: 'Only older versions than this.',
        }),
      }),
      answers: {
        200: { description: 'A page.', json: z.object({ id: DocumentId, versions: z.array(VersionView) }) },
      },
    },
    async ({ c, params: { id = '' }, query, call }) => {
      const versions = await deps.documents.history(call, id, query);
      if (versions.length === 0) throw notFound();
      return c.json({ id, versions: versions.map(versionView) });
    },
  );

  endpoint(
    api,
    {
      method: 'delete',
      path: '/v1/documents/{id}',
      role: 'writer',
      tag,
      summary: 'Delete a document',
      description: 'From the answer on it is found no more.',
      params: DocumentParams,
      answers: { 202: { description: 'Deleted; its vectors are removed in a moment.', json: Accepted } },
    },
    async ({ c, params: { id = '' }, call }) => {
      await headOf(deps, call, id);
      const options = recorded('document.delete', writerOf(call), deps);
      const removed = await deps.quotas.remove(call.tenant, () =>
        deps.documents.remove(call.tenant, id, options),
      );
      if (!removed) throw notFound();
      deps.relay.wake();
      return c.json(acceptedView(removed), 202);
    },
  );
}

/** The current version. Throws `not_found`; for a deleted document with `state: deleted`. */
export async function headOf(deps: GatewayDeps, call: Call, id: string): Promise<DocumentRecord> {
  const head = await deps.documents.head(call, id);
  if (!head) throw notFound();
  if (head.state === 'deleted') {
    const details = { state: head.state, version: head.version };
    throw new KnarrError('not_found', 'The document was deleted.', { details });
  }
  return head;
}

export const notFound = () => new KnarrError('not_found', 'There is no such document.');

function answerAccepted(c: ApiContext, acceptance: Acceptance): Response {
  c.header('location', documentPath(acceptance.document));
  return c.json(acceptedView(acceptance), acceptance.created ? 202 : 200);
}

function idempotencyKey(c: ApiContext): string | undefined {
  const key = c.req.header('idempotency-key');
  if (key !== undefined && (key === '' || key.length > 255)) {
    throw new KnarrError('invalid_request', 'Idempotency-Key: 1 to 255 characters.');
  }
  return key;
}
