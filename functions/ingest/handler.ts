import { z } from 'zod';
import { chunkContext } from '../_shared/chunk.ts';
import { KnarrError } from '../_shared/errors.ts';
import {
  batchBySize,
  type Emitted,
  type EventData,
  emit,
  jsonBytes,
  MAX_EVENT_DATA_BYTES,
} from '../_shared/events.ts';
import { parseGenerationId } from '../_shared/generation.ts';
import type { Context, EventContext } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import { CLOSED } from '../_shared/stores/documents/records.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import { encodeVector } from '../_shared/vectors.ts';
import type { Parser } from './parser/parser.ts';
import { modelOf, withoutKnown } from './reuse.ts';

export interface IngestDeps {
  documents: Pick<DocumentStore, 'version' | 'saveChunks' | 'ping' | 'close'>;
  originals: Pick<OriginalStore, 'get'>;
  vectors: Pick<VectorStore, 'vectorsOf'>;
  parser: Parser;
}

export const IngestInput = z
  .object({
    title: z.string().max(1024).optional(),
    content_type: z.string().max(128).default('text/plain; charset=utf-8'),
    text: z.string().optional(),
    data: z.base64().optional(),
  })
  .refine(({ text, data }) => (text === undefined) !== (data === undefined), 'give either text or data');
export const IngestOutput = z.object({
  title: z.string().nullable(),
  text_length: z.int(),
  chunks: z.array(
    z.object({
      chunk: z.int(),
      text: z.string(),
      range: z.tuple([z.int(), z.int()]),
      headings: z.array(z.string()),
      tokens: z.int(),
    }),
  ),
});

/** How a document would be cut, without keeping it. */
export async function previewDocument(
  { title, content_type, text, data }: z.infer<typeof IngestInput>,
  { deps, signal }: Context<IngestDeps>,
): Promise<z.infer<typeof IngestOutput>> {
  const bytes = data === undefined ? Buffer.from(text ?? '') : Buffer.from(data, 'base64');
  const parsed = await deps.parser.parse({ bytes, mediaType: content_type, title: title ?? null }, signal);
  return {
    title: parsed.title,
    text_length: parsed.textLength,
    chunks: parsed.chunks.map(({ start, end, ...chunk }) => ({
      ...chunk,
      range: [start, end] as [number, number],
    })),
  };
}

/** Room that a batch's reference takes beside its chunks. */
const REFERENCE_BYTES = 2048;

/**
 * Reads an accepted document, keeps its chunks and sends them on to be embedded; those that say what a chunk of the
 * version before said go straight to the index with its vectors. A version that has ended is dropped, and one that is
 * indexed unless it is asked for again: the event is then a late copy.
 */
export async function ingestDocument(
  { document, version, collection, afresh, again }: EventData<'document.accepted'>,
  context: EventContext<IngestDeps>,
): Promise<Emitted[]> {
  const { deps, tenant, signal, log } = context;
  const ref = { tenant, document, version };
  const record = await deps.documents.version(ref);
  if (!record) throw new KnarrError('unprocessable', `There is no version ${version} of this document.`);
  if (CLOSED.includes(record.state) || (record.state === 'indexed' && !again)) {
    log.debug({ document, version }, 'a version that has ended is not read');
    return [];
  }
  const bytes = await deps.originals.get(record.original, signal);
  if (!bytes) throw new KnarrError('unavailable', 'The original document is not in its store.');
  const { contentType: mediaType, title, generation } = record;
  const request = { bytes, mediaType, title, chunking: parseGenerationId(generation) };
  const parsed = await deps.parser.parse(request, signal);
  const shown = title ?? parsed.title;
  if (!(await deps.documents.saveChunks({ ...ref, generation }, { title: shown, chunks: parsed.chunks })))
    return [];

  const chunks = parsed.chunks.map(({ chunk, text, headings }) => ({
    chunk,
    context: chunkContext(shown, headings),
    text,
  }));
  const reference = { document, version, collection, generation };
  const { unknown, known } = afresh
    ? { unknown: chunks, known: [] }
    : await withoutKnown(chunks, reference, context);
  context.metrics.count('knarr_reused_chunks_total', 'Chunks whose vector was there.', {}, known.length);
  const model = modelOf(generation);
  const room = MAX_EVENT_DATA_BYTES - REFERENCE_BYTES;
  // The vectors of a batch come back as one event: they have to fit, too.
  const vector = encodeVector(new Float32Array(model.dimensions));
  const created = batchBySize(unknown, room, (chunk) =>
    Math.max(jsonBytes(chunk), jsonBytes({ chunk: chunk.chunk, vector })),
  );
  const embedded = batchBySize(known, room);
  const batches = created.length + embedded.length;
  return [
    ...created.map((run, batch) =>
      emit('chunks.created', document, { ...reference, batch, batches, chunks: run }),
    ),
    ...embedded.map((run, index) =>
      emit('chunks.embedded', document, {
        ...reference,
        batch: created.length + index,
        batches,
        ...model,
        vectors: run,
      }),
    ),
  ];
}
