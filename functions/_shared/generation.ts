import { z } from 'zod';

/**
 * An index generation: what must be equal for two chunks to be comparable. A collection has one active
 * generation; changing the model or the chunking starts another.
 */
export const Generation = z.object({
  model: z.string().min(1).max(128),
  dimensions: z.int().min(1).max(16_000),
  /** Chunking parameters in tokens. */
  chunkTokens: z.int().min(16).max(8192),
  chunkOverlap: z.int().min(0).max(4096),
});
export type Generation = z.infer<typeof Generation>;

/** Short readable key of a generation, e.g. `all-MiniLM-L6-v2.384.c240o40`; stable, safe in ids and event data. */
export function generationId(generation: Generation): string {
  return `${generation.model}.${generation.dimensions}.c${generation.chunkTokens}o${generation.chunkOverlap}`;
}
