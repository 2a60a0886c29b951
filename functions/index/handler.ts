import { z } from 'zod';
import { chunkContext, withContext } from '../_shared/chunk.ts';
import { CollectionName } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { type Emitted, type EventData, emit } from '../_shared/events.ts';
import { checkGeneration, parseGenerationId } from '../_shared/generation.ts';
import { pointId } from '../_shared/ids.ts';
import type { Context, EventContext } from '../_shared/stage.ts';
import type { ChunkRow, DocumentRef, DocumentStore } from '../_shared/stores/documents/port.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { decodeVector } from '../_shared/vectors.ts';

export interface IndexDeps {
  vectors: Pick<VectorStore, 'upsert' | 'remove' | 'count' | 'ping'>;
  documents: Pick<DocumentStore, 'version' | 'chunks' | 'recordIndexed' | 'generationOf' | 'close'>;
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

/** Writes a batch's points, and says so when with them the version is complete. Work on a version that has ended is dropped. */
export async function indexChunks(
  batch: EventData<'chunks.embedded'>,
  context: EventContext<IndexDeps>,
): Promise<Emitted | undefined> {
  const { tenant, deps, log } = context;
  const { document, version, collection, generation, dimensions } = batch;
  const ref: DocumentRef = { tenant, document, version };
  checkGeneration(generation, batch.model, dimensions);
  if (!(await isUnderWay(deps, ref))) {
    log.debug({ document, version }, 'vectors of a version that has ended were dropped');
    return undefined;
  }
  const ordinals = batch.vectors.map(({ chunk }) => chunk);
  const rows = new Map((await deps.documents.chunks(ref, ordinals)).map((row) => [row.chunk, row]));
  const points = batch.vectors.map(({ chunk, vector }) => {
    const row = rows.get(chunk);
    if (!row) throw new KnarrError('unprocessable', `${document} version ${version} has no chunk ${chunk}.`);
    return toPoint(tenant, generation, row, decodeVector(vector, dimensions));
  });
  await deps.vectors.upsert({ tenant, collection, generation, dimensions }, points);

  const { completed, total } = await deps.documents.recordIndexed(ref, ordinals);
  const head = await deps.documents.version(ref);
  if (head?.state === 'superseded' || head?.state === 'deleted') {
    // A newer version was accepted meanwhile, and may have cleaned up before these points were written.
    await deps.vectors.remove(tenant, document, version + 1);
    return undefined;
  }
  if (!completed) return undefined;
  await deps.vectors.remove(tenant, document, version);
  return emit('document.indexed', document, { document, version, collection, chunks: total, generation });
}

/** Removes every point of the versions that the delete ended. */
export async function removeDocument(
  { document, version }: EventData<'document.deleted'>,
  { tenant, deps }: EventContext<IndexDeps>,
): Promise<undefined> {
  await deps.vectors.remove(tenant, document, version + 1);
}

/** A version may also be `indexed` already: its last batch was delivered twice. */
async function isUnderWay({ documents }: IndexDeps, ref: DocumentRef): Promise<boolean> {
  const state = (await documents.version(ref))?.state;
  return state === 'chunked' || state === 'embedded' || state === 'indexed';
}

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
