import type { Schemas } from '@qdrant/js-client-rest';
import type { Config } from '../../../config.ts';
import { rangeKeys } from './filter.ts';
import type { qdrantKnobs } from './knobs.ts';

export const DENSE = 'dense';
export const LEXICAL = 'lexical';

type Settings = Config<typeof qdrantKnobs>;

/** Points of a tenant lie together and have a graph of their own; a graph over all tenants would never be searched. */
const HNSW = { m: 0, payload_m: 16, ef_construct: 100 } satisfies Schemas['HnswConfigDiff'];

/** What a new collection is made with. */
export function collectionSettings(dimensions: number, settings: Settings): Schemas['CreateCollection'] {
  const { qdrantQuantization: quantization } = settings;
  return {
    vectors: {
      [DENSE]: { size: dimensions, distance: 'Cosine', on_disk: quantization !== 'none' },
    },
    // Without the server's own `idf` modifier, which counts the points of all tenants, by shard.
    sparse_vectors: { [LEXICAL]: {} },
    hnsw_config: HNSW,
    on_disk_payload: true,
    ...(quantization === 'int8' && {
      quantization_config: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } },
    }),
    ...(quantization === 'binary' && { quantization_config: { binary: { always_ram: true } } }),
    ...(settings.qdrantShards && { shard_number: settings.qdrantShards }),
    ...(settings.qdrantReplicas && { replication_factor: settings.qdrantReplicas }),
    ...(settings.qdrantWriteConsistency && { write_consistency_factor: settings.qdrantWriteConsistency }),
  };
}

type PayloadIndex = [field: string, schema: Schemas['PayloadSchemaParams']];

/** Found by value alone, a text's every term; on disk, since it is several times what the vectors are in memory. */
export const TERMS_INDEX = [
  'terms',
  { type: 'integer', lookup: true, range: false, enable_hnsw: false, on_disk: true },
] as const satisfies PayloadIndex;

/** Every field that a query, count or removal filters by. */
export function payloadIndexes(rangeFields: readonly string[]): PayloadIndex[] {
  const keyword = { type: 'keyword', enable_hnsw: false } as const;
  const ranges = rangeFields.flatMap(rangeKeys);
  return [
    ['tenant', { type: 'keyword', is_tenant: true }],
    ['collection', { type: 'keyword' }],
    ['acl', keyword],
    ['facts', keyword],
    ['kind', keyword],
    ['document', { ...keyword, on_disk: true }],
    ['hash', { ...keyword, on_disk: true }],
    ['version', { type: 'integer', lookup: false, range: true, enable_hnsw: false }],
    TERMS_INDEX,
    ...ranges.map((key): PayloadIndex => [key, { type: 'float', enable_hnsw: false }]),
  ];
}
