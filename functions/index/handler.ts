import { z } from 'zod';
import { chunkContext, withContext } from '../_shared/chunk.ts';
import { CollectionName } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { type Emitted, type EventData, emit } from '../_shared/events.ts';
import { checkGeneration, parseGenerationId } from '../_shared/generation.ts';
import { pointId } from '../_shared/ids.ts';
import type { Context, EventContext } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { ChunkRow, DocumentRef, DocumentState } from '../_shared/stores/documents/records.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { decodeVector } from '../_shared/vectors.ts';

export interface IndexDeps {
  vectors: Pick<VectorStore, 'upsert' | 'remove' | 'count' | 'ping'>;
  documents: Pick<
    DocumentStore,
    'version' | 'chunks' | 'recordIndexed' | 'complete' | 'recordRemoved' | 'generationOf' | 'close'
  >;
}

export const IndexInput = z.object({ collection: CollectionName.default('default') });
export const IndexOutput = z.object({
  collection: CollectionName,
  generation: z.string(),
  dimensions: z.int(),
  points: z.int(),
});

/** What the index of a collection holds. */
export async function describeIndex(
  { collection }: z.infer<typeof IndexInput>,
  { tenant, deps }: Context<IndexDeps>,
): Promise<z.infer<typeof IndexOutput>> {
  const generation = await deps.documents.generationOf(tenant, collection);
  const made = generation && parseGenerationId(generation);
  if (!generation || !made)
    throw new KnarrError('unknown_collection', `There is no collection ${collection}.`);
  const points = await deps.vectors.count({ tenant, collection, generation });
  return { collection, generation, dimensions: made.dimensions, points };
}

/**
 * Writes a batch's points; with the last of them the points of older versions go, and the version is `indexed`. Safe to
 * repeat and to break off anywhere: a version is called indexed only when the store holds its points and no older ones.
 */
export async function indexChunks(
  batch: EventData<'chunks.embedded'>,
  context: EventContext<IndexDeps>,
): Promise<Emitted | undefined> {
  const { tenant, deps, log } = context;
  const { document, version, collection, generation, dimensions } = batch;
  const ref: DocumentRef = { tenant, document, version };
  checkGeneration(generation, batch.model, dimensions);
  const before = await deps.documents.version(ref);
  if (!isUnderWay(before?.state)) {
    log.debug({ document, version }, 'vectors of a version that has ended were dropped');
    return leave(ref, before?.state, deps);
  }
  if (before?.generation !== generation) {
    log.debug({ document, version, generation }, 'vectors of an index that is no longer built were dropped');
    return undefined;
  }
  const ordinals = batch.vectors.map(({ chunk }) => chunk);
  const rows = new Map((await deps.documents.chunks(ref, ordinals)).map((row) => [row.chunk, row]));
  const points = batch.vectors.map(({ chunk, vector }) => {
    const row = rows.get(chunk);
    if (!row) throw new KnarrError('unprocessable', `${document} version ${version} has no chunk ${chunk}.`);
    return toPoint(tenant, generation, row, decodeVector(vector, dimensions));
  });
  await deps.vectors.upsert({ tenant, collection, generation, dimensions }, points, context);

  const { indexed, total } = await deps.documents.recordIndexed({ ...ref, generation }, ordinals);
  // A newer version may have been accepted, and cleaned up, before these points were written.
  if (total === 0) return leave(ref, (await deps.documents.version(ref))?.state, deps);
  if (indexed < total) return undefined;
  await deps.vectors.remove(tenant, document, version, context);
  const completed = await deps.documents.complete(ref);
  // Said again when the last batch comes again: the first answer may have been lost.
  if (!completed && before?.state !== 'indexed') return undefined;
  return emit('document.indexed', document, { document, version, collection, chunks: total, generation });
}

/** Takes the points of a version that is no longer wanted out of the store. */
async function leave(
  { tenant, document, version }: DocumentRef,
  state: DocumentState | undefined,
  { vectors }: IndexDeps,
): Promise<undefined> {
  if (state === 'superseded' || state === 'deleted') await vectors.remove(tenant, document, version + 1);
}

/** Removes every point of the versions that the delete ended. */
export async function removeDocument(
  { document, version }: EventData<'document.deleted'>,
  { tenant, deps }: EventContext<IndexDeps>,
): Promise<undefined> {
  await deps.vectors.remove(tenant, document, version + 1);
  await deps.documents.recordRemoved({ tenant, document, version });
}

/** A version may also be `indexed` already: its last batch was delivered twice, or its points are made anew. */
const isUnderWay = (state: DocumentState | undefined) =>
  state === 'chunked' || state === 'embedded' || state === 'indexed';

function toPoint(tenant: string, generation: string, row: ChunkRow, vector: Float32Array): Point {
  const { document, version, chunk, metadata, acl } = row;
  const text = withContext(chunkContext(row.title, row.headings), row.text);
  return {
    id: pointId(tenant, document, version, chunk, generation),
    document,
    version,
    chunk,
    vector,
    text,
    metadata,
    acl,
  };
}
