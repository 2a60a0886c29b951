import { withContext } from '../_shared/chunk.ts';
import type { EmbedInput, EmbedOutput } from '../_shared/contracts.ts';
import { type Emitted, type EventData, emit } from '../_shared/events.ts';
import { checkGeneration } from '../_shared/generation.ts';
import type { Context } from '../_shared/stage.ts';
import { encodeVector } from '../_shared/vectors.ts';
import type { Encoder } from './encoder/port.ts';

export interface EmbedDeps {
  encoder: Encoder;
}

export async function embed({ texts, kind }: EmbedInput, context: Context<EmbedDeps>): Promise<EmbedOutput> {
  const { encoder } = context.deps;
  const { vectors, tokens, truncated } = await encoder.encode(texts, { ...context, kind });
  return {
    model: encoder.model,
    dimensions: encoder.dimensions,
    vectors: vectors.map(encodeVector),
    tokens,
    truncated,
  };
}

/** One batch in, one event out, which is the reply: `ingest` has left room for the vectors. */
export async function embedChunks(
  { chunks, ...batch }: EventData<'chunks.created'>,
  context: Context<EmbedDeps>,
): Promise<Emitted> {
  const { encoder } = context.deps;
  const { model, dimensions } = encoder;
  checkGeneration(batch.generation, model, dimensions);
  const texts = chunks.map((chunk) => withContext(chunk.context, chunk.text));
  const { vectors, truncated } = await encoder.encode(texts, { ...context, kind: 'passage' });
  context.metrics.count('knarr_embedded_chunks_total', 'Chunks that were embedded.', { model }, texts.length);
  if (truncated.length > 0) {
    context.log.warn(
      { document: batch.document, version: batch.version, chunks: truncated.length },
      'chunks longer than the model reads were cut',
    );
  }
  const embedded = chunks.map(({ chunk }, index) => ({
    chunk,
    vector: encodeVector(vectors[index] as Float32Array),
  }));
  return emit('chunks.embedded', batch.document, { ...batch, model, dimensions, vectors: embedded });
}

/** A lexical question needs no vector. */
export async function embedQuestion(
  asked: EventData<'query.asked'>,
  context: Context<EmbedDeps>,
): Promise<Emitted> {
  if (asked.mode === 'lexical') return emit('query.embedded', asked.query, asked);
  const startedAt = performance.now();
  const { encoder } = context.deps;
  const { vectors, truncated } = await encoder.encode([asked.question], { ...context, kind: 'query' });
  return emit('query.embedded', asked.query, {
    ...asked,
    vector: encodeVector(vectors[0] as Float32Array),
    model: encoder.model,
    timings: { ...asked.timings, embed: Math.round((performance.now() - startedAt) * 100) / 100 },
    degraded: truncated.length > 0 ? [...asked.degraded, 'embed.truncated'] : asked.degraded,
  });
}
