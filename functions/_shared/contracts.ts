import { z } from 'zod';
import { Filter } from './filter.ts';

/**
 * The plain JSON contracts between stages: what each stage's handler takes and gives on the synchronous path,
 * and what the query events carry. Tenant and principals are never part of an input: they come with the call.
 */

export const CollectionName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'lower-case letters, digits, - and _, at most 63 characters')
  .meta({ description: 'A collection: documents searched together, embedded by one model.' });
export const DocumentId = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, 'no control characters')
  .meta({ description: "A document's id, chosen by its owner; unique within the tenant." });
export const Version = z.int().min(1);
export const Metadata = z
  .record(
    z.string().min(1).max(64),
    z.union([z.string().max(1024), z.number(), z.boolean(), z.array(z.string().max(256)).max(64)]),
  )
  .refine((value) => Object.keys(value).length <= 64, 'at most 64 keys')
  .meta({ description: 'Flat metadata, searchable by filters.' });
export type Metadata = z.infer<typeof Metadata>;

/** Base64 of little-endian float32 values. */
export const VectorBytes = z.base64().max(96_000);
export const SearchMode = z.enum(['hybrid', 'dense', 'lexical']);
export type SearchMode = z.infer<typeof SearchMode>;

export const EmbedInput = z.object({
  texts: z.array(z.string().max(1_000_000)).min(1).max(2048),
  /** Some models want another prefix for a question than for a passage. */
  kind: z.enum(['query', 'passage']).default('passage'),
});
export type EmbedInput = z.infer<typeof EmbedInput>;
export const EmbedOutput = z.object({
  model: z.string(),
  dimensions: z.int(),
  vectors: z.array(VectorBytes),
  /** Tokens of each text, special tokens counted, before any cut. */
  tokens: z.array(z.int()),
  /** Indexes of the texts that were longer than the model reads and were cut. */
  truncated: z.array(z.int()),
});
export type EmbedOutput = z.infer<typeof EmbedOutput>;

/** Most hits of a search, and most that are read at once. */
const MAX_HITS = 1000;

/**
 * Hits to ask for, since some are no longer current. A document has stale chunks only between its update and the index's
 * clean-up, so half as many more than wanted are ample, nearly always; `ratherMore` is for when they were not.
 */
export const overfetch = (limit: number, ratherMore = false) =>
  Math.min(MAX_HITS, ratherMore ? limit * 50 : limit + Math.max(5, Math.ceil(limit / 2)));

export const SearchOptions = z.object({
  collection: CollectionName.default('default'),
  mode: SearchMode.default('hybrid'),
  limit: z.int().min(1).max(MAX_HITS).default(10),
  filter: Filter.optional(),
  /** Search-time breadth of the HNSW graph; higher finds more and takes longer. */
  ef: z.int().min(1).max(10_000).optional(),
});
export type SearchOptions = z.infer<typeof SearchOptions>;

export const SearchInput = SearchOptions.extend({
  query: z.string().min(1).max(8192),
  /** Required for `dense`; without it `hybrid` falls back to lexical and says so in `degraded`. */
  vector: VectorBytes.optional(),
  /** Model that made `vector`; refused when the collection was built by another. */
  model: z.string().optional(),
});
export type SearchInput = z.infer<typeof SearchInput>;
export const Hit = z.object({
  document: DocumentId,
  version: Version,
  chunk: z.int().min(0),
  /** Higher is better. Hybrid: reciprocal rank fusion; dense: cosine; lexical: BM25. */
  score: z.number(),
});
export type Hit = z.infer<typeof Hit>;
export const SearchOutput = z.object({ hits: z.array(Hit), mode: SearchMode, degraded: z.array(z.string()) });
export type SearchOutput = z.infer<typeof SearchOutput>;

export const FetchInput = z.object({
  hits: z.array(Hit).max(MAX_HITS),
  /** Chunks to add before and after each hit; overlapping neighbours of one document become one passage. */
  neighbours: z.int().min(0).max(5).default(0),
});
export type FetchInput = z.infer<typeof FetchInput>;
export const Range = z
  .tuple([z.int().min(0), z.int().min(0)])
  .meta({ description: '[start, end) in characters (UTF-16 code units).' });
export const Passage = z.object({
  document: DocumentId,
  version: Version,
  title: z.string().nullable(),
  uri: z.string().nullable(),
  /** Ordinal of the hit (of its first chunk when several were merged). */
  chunk: z.int().min(0),
  /** Range of `text` in the document's extracted text. */
  range: Range,
  headings: z.array(z.string()),
  metadata: Metadata,
  text: z.string(),
  score: z.number(),
});
export type Passage = z.infer<typeof Passage>;
export const FetchOutput = z.object({
  passages: z.array(Passage),
  /** Hits dropped because they are not the current version, or not for this caller. */
  dropped: z.int(),
});
export type FetchOutput = z.infer<typeof FetchOutput>;

export const GenerateInput = z.object({
  question: z.string().min(1).max(8192),
  passages: z.array(Passage).max(100),
});
export type GenerateInput = z.infer<typeof GenerateInput>;
export const Citation = z.object({
  /** Index into the passages given. */
  source: z.int().min(0),
  /** Character range of the answer that this source supports. */
  start: z.int().min(0),
  end: z.int().min(0),
});
export type Citation = z.infer<typeof Citation>;
export const GenerateOutput = z.object({
  answer: z.string(),
  /** False when the sources do not answer the question; `answer` then says so. */
  answered: z.boolean(),
  citations: z.array(Citation),
  model: z.string(),
  degraded: z.array(z.string()),
});
export type GenerateOutput = z.infer<typeof GenerateOutput>;

export const DRIFT_KINDS = ['missing', 'phantom', 'duplicate', 'wrong_hash'] as const;
/** What a comparison of ledger and vector store found, in points and chunks. */
export const Drift = z
  .object({
    points: z.int().meta({ description: 'Points that were compared.' }),
    chunks: z.int().meta({ description: 'Chunks of indexed documents that were compared.' }),
    missing: z.int().meta({ description: 'Chunks of indexed documents without a point.' }),
    phantom: z.int().meta({ description: 'Points of chunks that are no longer wanted.' }),
    duplicate: z.int().meta({ description: 'Second points of a chunk.' }),
    wrong_hash: z.int().meta({ description: 'Points made of another text than the chunk has.' }),
    repaired: z.boolean().meta({ description: 'Whether what was found is being repaired.' }),
    next: z.string().optional().meta({
      description:
        'Only when the time was too short for all: `cursor` of the call that goes on. Its answer counts this one, too.',
    }),
  })
  .meta({ id: 'Drift' });
export type Drift = z.infer<typeof Drift>;
/** `next` of a {@link Drift}, given back. */
export const DriftCursor = z.string().max(16_384);
/** Asks the recover stage for a comparison, or for the rest of one. */
export interface ReconcileInput {
  action: 'reconcile';
  repair: boolean;
  cursor?: string | undefined;
}
