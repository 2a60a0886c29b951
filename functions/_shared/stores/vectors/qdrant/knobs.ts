import { z } from 'zod';
import { duration, integer, knob, url } from '../../../config.ts';

const list = z
  .string()
  .transform((text) => text.split(',').map((entry) => entry.trim()))
  .transform((entries) => entries.filter((entry) => entry !== ''))
  .prefault('');
const count = (max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(max))
    .optional();

/** Qdrant as the vector store. What its collections are made with is fixed when the first point is written. */
export const qdrantKnobs = {
  qdrantUrl: knob(
    'QDRANT_URL',
    url(),
    'Address of a Qdrant server, 1.17 or later, for vectors; port 6333 unless named. For a private authority of its certificate set NODE_EXTRA_CA_CERTS. Unset: see KNARR_VECTOR_STORE.',
  ),
  qdrantApiKey: knob('QDRANT_API_KEY', z.string().min(1).optional(), 'Its API key.', { secret: true }),
  qdrantPrefix: knob(
    'KNARR_QDRANT_PREFIX',
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'expected at most 32 of a-z, 0-9, _ and -')
      .default('knarr'),
    'What the names of its collections begin with: two installations on one server differ in it.',
  ),
  qdrantTimeout: knob(
    'KNARR_QDRANT_TIMEOUT',
    duration('30s'),
    'Longest time for one operation, attempts together, when its caller sets no deadline.',
  ),
  qdrantQuantization: knob(
    'KNARR_QDRANT_QUANTIZATION',
    z.enum(['int8', 'binary', 'none']).default('int8'),
    'How vectors are kept in memory: a quarter of their size (`int8`), a thirty-second (`binary`, for models of 1,024 dimensions or more) or whole (`none`). The whole ones stay on disk and rank what was found.',
  ),
  qdrantOversampling: knob(
    'KNARR_QDRANT_OVERSAMPLING',
    z
      .string()
      .regex(/^\d+(\.\d+)?$/, 'expected a number')
      .transform(Number)
      .pipe(z.number().min(1).max(100))
      .prefault('2'),
    'Candidates found with quantised vectors for each result that is asked for, before the whole vectors rank them.',
  ),
  qdrantShards: knob(
    'KNARR_QDRANT_SHARDS',
    count(1024),
    "Shards of a new collection. Unset: the server's choice, one for each node.",
  ),
  qdrantReplicas: knob(
    'KNARR_QDRANT_REPLICAS',
    count(64),
    "Copies of each shard of a new collection, which is not made before the cluster has as many nodes. Unset: the server's setting, whatever nodes there are.",
  ),
  qdrantWriteConsistency: knob(
    'KNARR_QDRANT_WRITE_CONSISTENCY',
    count(64),
    "Copies that must have taken a write before it counts, in a new collection. Unset: the server's setting.",
  ),
  qdrantReadConsistency: knob(
    'KNARR_QDRANT_READ_CONSISTENCY',
    z
      .string()
      .regex(/^([1-9]\d?|majority|quorum|all)$/, 'expected a number, majority, quorum or all')
      .optional(),
    'Copies that a search asks. Unset: one. A copy that lags can only show what `fetch` drops, or miss what is new.',
  ),
  qdrantOrdering: knob(
    'KNARR_QDRANT_ORDERING',
    z.enum(['weak', 'medium', 'strong']).default('medium'),
    'Order of writes to the same point in all copies: any (`weak`); by a leader, which another copy becomes when it is gone (`medium`); by one leader, without which nothing is written (`strong`).',
  ),
  qdrantRangeFields: knob(
    'KNARR_QDRANT_RANGE_FIELDS',
    list,
    'Metadata fields, separated by commas, that are indexed for ranges in new collections. Needed where strict mode forbids to filter without an index; ranges over other fields are read point by point.',
  ),
  bm25Length: knob(
    'KNARR_BM25_AVERAGE_LENGTH',
    integer(100, 1, 100_000),
    "Terms of a chunk of usual length, which BM25 on Qdrant measures others by: about 0.4 of KNARR_CHUNK_TOKENS. The embedded store's index knows the average itself.",
  ),
};
