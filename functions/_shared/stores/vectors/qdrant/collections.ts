import { createHash } from 'node:crypto';
import type { Schemas } from '@qdrant/js-client-rest';
import type { Config } from '../../../config.ts';
import { KnarrError } from '../../../errors.ts';
import type { VectorScope, WorkTime } from '../port.ts';
import type { Qdrant } from './client.ts';
import { rangeKeys } from './filter.ts';
import type { qdrantKnobs } from './knobs.ts';

export const DENSE = 'dense';
export const LEXICAL = 'lexical';

/**
 * One collection for each generation, shared by all tenants and known by an alias: `<prefix>.<generation>.<hash>` stands for
 * `<alias>.1`, so that a collection that was made anew beside it (other shards, other quantisation) takes over in one step.
 */
export interface Collections {
  /** The alias under which a generation's points are read and written. */
  nameOf(generation: string): string;
  /** Vector length of a generation's collection; undefined when it has none yet. */
  find(generation: string, time?: WorkTime): Promise<number | undefined>;
  /**
   * Makes the collection when it is missing. Throws `model_mismatch` when it is there for another length of vectors,
   * `unavailable` while the cluster has too few nodes for its copies.
   */
  ensure(scope: VectorScope, time?: WorkTime): Promise<void>;
  /** Forgets what is known of a collection, which somebody else has dropped. */
  forget(generation: string): void;
  /** The aliases of every generation. */
  all(time?: WorkTime): Promise<string[]>;
}

type Settings = Config<typeof qdrantKnobs>;

export function qdrantCollections(qdrant: Qdrant, settings: Settings): Collections {
  const known = new Map<string, number>();

  function nameOf(generation: string): string {
    const hash = createHash('sha256').update(generation).digest('hex').slice(0, 12);
    // Some characters may not be in a name; the hash tells apart what looks the same without them.
    return `${settings.qdrantPrefix}.${generation.replace(/[^\w.-]+/g, '_').slice(0, 120)}.${hash}`;
  }

  async function find(generation: string, time?: WorkTime): Promise<number | undefined> {
    const dimensions = known.get(generation);
    if (dimensions !== undefined) return dimensions;
    const found = await qdrant<Schemas['CollectionInfo']>(
      { method: 'GET', path: pathOf(nameOf(generation)) },
      time,
    ).catch(absent);
    const vectors = found?.config.params.vectors as Record<string, Schemas['VectorParams']> | undefined;
    const size = vectors?.[DENSE]?.size;
    if (size !== undefined) known.set(generation, size);
    return size;
  }

  /** Copies lie where the nodes are at the time, and stay there: none are made before there are enough nodes for them. */
  async function awaitNodes(time?: WorkTime): Promise<void> {
    const { qdrantReplicas: wanted = 1 } = settings;
    if (wanted === 1) return;
    const { peers = {} } = await qdrant<{ peers?: object }>({ method: 'GET', path: '/cluster' }, time);
    const nodes = Math.max(1, Object.keys(peers).length);
    if (nodes >= wanted) return;
    throw new KnarrError(
      'unavailable',
      `The vector store has ${nodes} of the ${wanted} nodes that KNARR_QDRANT_REPLICAS needs: collections are made when it has them all.`,
    );
  }

  async function create(alias: string, dimensions: number, time?: WorkTime): Promise<void> {
    await awaitNodes(time);
    const collection = `${alias}.1`;
    const body = collectionSettings(dimensions, settings);
    // Somebody else may be making it too.
    await qdrant({ method: 'PUT', path: pathOf(collection), body }, time).catch(existing);
    for (const [field_name, field_schema] of payloadIndexes(settings.qdrantRangeFields)) {
      const index = { field_name, field_schema } satisfies Schemas['CreateFieldIndex'];
      await qdrant(
        { method: 'PUT', path: `${pathOf(collection)}/index`, query: { wait: true }, body: index },
        time,
      );
    }
    const named = { create_alias: { collection_name: collection, alias_name: alias } };
    await qdrant({ method: 'POST', path: '/collections/aliases', body: { actions: [named] } }, time);
  }

  return {
    nameOf,
    find,
    forget: (generation) => void known.delete(generation),
    async ensure({ collection, generation, dimensions }, time) {
      if ((await find(generation, time)) === undefined) await create(nameOf(generation), dimensions, time);
      const made = await find(generation, time);
      if (made === dimensions) return;
      throw new KnarrError(
        'model_mismatch',
        `${collection} holds vectors of ${made} dimensions, not ${dimensions}.`,
      );
    },
    async all(time) {
      const { aliases } = await qdrant<Schemas['CollectionsAliasesResponse']>(
        { method: 'GET', path: '/aliases' },
        time,
      );
      return aliases
        .map(({ alias_name }) => alias_name)
        .filter((name) => name.startsWith(`${settings.qdrantPrefix}.`));
    },
  };
}

export const pathOf = (collection: string) => `/collections/${encodeURIComponent(collection)}`;

/** Points of a tenant lie together and have a graph of their own; a graph over all tenants would never be searched. */
const HNSW = { m: 0, payload_m: 16, ef_construct: 100 } satisfies Schemas['HnswConfigDiff'];

function collectionSettings(dimensions: number, settings: Settings): Schemas['CreateCollection'] {
  const { qdrantQuantization: quantization } = settings;
  return {
    vectors: {
      [DENSE]: { size: dimensions, distance: 'Cosine', on_disk: quantization !== 'none' },
    },
    sparse_vectors: { [LEXICAL]: { modifier: 'idf' } },
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

/** Every field that a query or removal filters by. */
function payloadIndexes(rangeFields: readonly string[]): PayloadIndex[] {
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
    ...ranges.map((key): PayloadIndex => [key, { type: 'float', enable_hnsw: false }]),
  ];
}

/** What is not there is undefined. */
export function absent(thrown: unknown): undefined {
  if (thrown instanceof KnarrError && thrown.code === 'unknown_collection') return undefined;
  throw thrown;
}

function existing(thrown: unknown): void {
  if (thrown instanceof KnarrError && thrown.code === 'conflict') return;
  throw thrown;
}
