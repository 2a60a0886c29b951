import { z } from '@hono/zod-openapi';
import { CollectionName } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { parseJson } from '../../_shared/json.ts';
import { readBody } from '../../_shared/runtime/body.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import { type AcceptDeps, type Incoming, readRaw, readSubmission } from '../accept/accept.ts';
import { documentType, MEDIA_TYPES } from '../accept/media.ts';
import { Description, Submission } from '../accept/submission.ts';
import type { Room } from '../limits/bodies.ts';
import { type ApiContext, readJson } from './endpoint.ts';

/** JSON and multipart bodies carry more than the content: this much for the rest, bytes. */
const ENVELOPE_BYTES = 256 * 1024;

/** What may be said of a raw body, in the query string. */
export const DocumentQuery = z.strictObject({
  title: z.string().optional(),
  collection: CollectionName.optional(),
  metadata: z.string().optional().meta({ description: 'JSON object; only with a raw body.' }),
  acl: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .meta({ description: 'Principals; may be repeated.' }),
});
type DocumentQuery = z.infer<typeof DocumentQuery>;

const Multipart = z.object({
  file: z
    .string()
    .meta({ format: 'binary', description: 'The content, with its media type or a telling name.' }),
  title: z.string().optional(),
  collection: CollectionName.optional(),
  metadata: z.string().optional().meta({ description: 'JSON object.' }),
  acl: z.string().optional().meta({ description: 'May be repeated.' }),
});
const Raw = z.string().meta({ format: 'binary' });

/** For the API's documentation. */
export const DOCUMENT_CONTENT: Record<string, z.ZodType> = {
  'application/json': Submission,
  ...Object.fromEntries(MEDIA_TYPES.map((type) => [type, Raw])),
  'multipart/form-data': Multipart,
};

/** Reads a document from a JSON, multipart or raw body, for which it takes room first. */
export async function readIncoming(
  c: ApiContext,
  query: DocumentQuery,
  deps: AcceptDeps,
  room: Room,
  signal: AbortSignal,
): Promise<Incoming> {
  const contentType = c.req.header('content-type') ?? '';
  const [type = ''] = contentType.toLowerCase().split(';');
  if (type.trim() === 'application/json') {
    if (Object.keys(query).length > 0) {
      throw new KnarrError(
        'invalid_request',
        `The query: with a JSON body, ${Object.keys(query)[0]} belongs into it.`,
      );
    }
    // Base64 takes 4 bytes for 3, escaped text at most 6 for 1; text seldom has more than a few escapes.
    const json = await readJson(c, deps.maxDocumentBytes * 2 + ENVELOPE_BYTES, room);
    return readSubmission(validate(Submission, json, 'The body'), deps, room, signal);
  }
  if (type.trim() === 'multipart/form-data') {
    return readMultipart(
      await readBody(c.req.raw, deps.maxDocumentBytes + ENVELOPE_BYTES, room.grow),
      contentType,
      query,
    );
  }
  // Refused before its bytes are read.
  documentType(contentType);
  return readRaw(await readBody(c.req.raw, deps.maxDocumentBytes, room.grow), contentType, describe(query));
}

async function readMultipart(body: Uint8Array, contentType: string, query: DocumentQuery): Promise<Incoming> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  } catch (cause) {
    throw new KnarrError('invalid_request', 'The body is not valid multipart/form-data.', { cause });
  }
  const { file, ...fields } = Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const all = form.getAll(name);
      return [name, all.length === 1 ? all[0] : all];
    }),
  );
  if (!(file instanceof File))
    throw new KnarrError('invalid_request', 'The body: one part named file is needed.');
  const description = describe(validate(DocumentQuery, { ...query, ...fields }, 'The body'));
  return readRaw(new Uint8Array(await file.arrayBuffer()), file.type, description, file.name);
}

function describe({ metadata, acl, ...rest }: DocumentQuery): Description {
  const described = {
    ...rest,
    ...(metadata !== undefined && { metadata: parseJson(metadata) }),
    ...(acl !== undefined && { acl: [acl].flat() }),
  };
  return validate(Description, described, 'The description');
}
