import { z } from 'zod';
import { type Config, integer, knob } from './config.ts';
import { KnarrError } from './errors.ts';

/** Longest vector: its base64 has to fit into an event. */
export const MAX_DIMENSIONS = 8192;

/**
 * An index generation: what must be equal for two chunks to be comparable. A collection has one active
 * generation; changing the model or the chunking starts another.
 */
export const Generation = z.object({
  model: z.string().min(1).max(128),
  dimensions: z.int().min(1).max(MAX_DIMENSIONS),
  /** Chunking parameters in tokens. */
  chunkTokens: z.int().min(16).max(8192),
  chunkOverlap: z.int().min(0).max(4096),
});
export type Generation = z.infer<typeof Generation>;

/** Short readable key of a generation, e.g. `all-MiniLM-L6-v2.384.c240o32`; stable, safe in ids and event data. */
export function generationId(generation: Generation): string {
  return `${generation.model}.${generation.dimensions}.c${generation.chunkTokens}o${generation.chunkOverlap}`;
}

/** The generation that new documents are made for. Stages that make or read chunks must agree on these. */
export const generationKnobs = {
  embedModel: knob(
    'KNARR_EMBED_MODEL',
    z.string().min(1).max(128).default('all-MiniLM-L6-v2'),
    'Name of the embedding model.',
  ),
  embedDimensions: knob('KNARR_EMBED_DIMENSIONS', integer(384, 1, MAX_DIMENSIONS), 'Length of its vectors.'),
  chunkTokens: knob(
    'KNARR_CHUNK_TOKENS',
    integer(240, 16, 8192),
    'Longest chunk, in tokens of the embedding model.',
  ),
  chunkOverlap: knob(
    'KNARR_CHUNK_OVERLAP',
    integer(32, 0, 4096),
    'Tokens that a chunk repeats from the one before.',
  ),
};

export function readGeneration(config: Config<typeof generationKnobs>): Generation {
  return {
    model: config.embedModel,
    dimensions: config.embedDimensions,
    chunkTokens: config.chunkTokens,
    chunkOverlap: config.chunkOverlap,
  };
}

/** Throws `model_mismatch` unless the generation (an id) was made for this model and vector length. */
export function checkGeneration(generation: string, model: string, dimensions: number): void {
  const made = parseGenerationId(generation);
  if (made?.model === model && made.dimensions === dimensions) return;
  throw new KnarrError(
    'model_mismatch',
    `The collection was built for ${generation}; this is ${model} with ${dimensions} dimensions. A rebuild moves it.`,
  );
}

/** What a generation id says; undefined for a string that is none. */
export function parseGenerationId(id: string): Generation | undefined {
  const [, model = '', ...sizes] = /^(.+)\.(\d+)\.c(\d+)o(\d+)$/.exec(id) ?? [];
  const [dimensions = 0, chunkTokens = 0, chunkOverlap = 0] = sizes.map(Number);
  return model === '' ? undefined : { model, dimensions, chunkTokens, chunkOverlap };
}
