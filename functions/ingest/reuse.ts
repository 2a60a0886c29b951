import { withContext } from '../_shared/chunk.ts';
import type { EventData } from '../_shared/events.ts';
import { parseGenerationId } from '../_shared/generation.ts';
import { textHash } from '../_shared/ids.ts';
import type { Context } from '../_shared/stage.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import { encodeVector } from '../_shared/vectors.ts';

type Chunk = EventData<'chunks.created'>['chunks'][number];
type Embedded = EventData<'chunks.embedded'>['vectors'][number];

/** Hashes asked for at once. */
const LOOKUP = 512;

/**
 * Parts chunks into those that have to be embedded and those of which the vector store holds the vector already, made
 * by the same model of the same text for the same document. Without the store's answer all have to be embedded.
 */
export async function withoutKnown(
  chunks: readonly Chunk[],
  { document, collection, generation }: { document: string; collection: string; generation: string },
  {
    tenant,
    deps,
    log,
  }: Pick<Context<{ vectors: Pick<VectorStore, 'vectorsOf'> }>, 'tenant' | 'deps' | 'log'>,
): Promise<{ unknown: Chunk[]; known: Embedded[] }> {
  const scope = { tenant, collection, generation };
  const unknown: Chunk[] = [];
  const known: Embedded[] = [];
  for (let start = 0; start < chunks.length; start += LOOKUP) {
    const part = chunks.slice(start, start + LOOKUP);
    const hashes = part.map(({ context, text }) => textHash(withContext(context, text)));
    const vectors = await deps.vectors.vectorsOf(scope, document, hashes).catch((err: unknown) => {
      log.warn({ err, document }, 'vectors of unchanged chunks could not be read');
      return new Map<string, Float32Array>();
    });
    for (const [place, chunk] of part.entries()) {
      const vector = vectors.get(hashes[place] as string);
      if (vector === undefined) unknown.push(chunk);
      else known.push({ chunk: chunk.chunk, vector: encodeVector(vector) });
    }
  }
  return { unknown, known };
}

/** Model and vector length that a generation was made for. */
export function modelOf(generation: string): { model: string; dimensions: number } {
  const made = parseGenerationId(generation);
  if (!made) throw new Error(`${generation} is no generation id.`);
  return { model: made.model, dimensions: made.dimensions };
}
