import { createHash } from 'node:crypto';
import type { Schemas } from '@qdrant/js-client-rest';
import type { Config } from '../../../config.ts';
import { KnarrError } from '../../../errors.ts';
import type { VectorScope, WorkTime } from '../port.ts';
import { absent, pathOf, type Qdrant, type QdrantRequest } from './client.ts';
import { joined } from './joined.ts';
import type { qdrantKnobs } from './knobs.ts';
import { collectionSettings, DENSE, LEXICAL, payloadIndexes } from './schema.ts';
import { addTerms } from './upgrade.ts';

/**
 * One collection for each generation, shared by all tenants and known by an alias: `<prefix>.<generation>.<hash>` stands for
 * `<alias>.1`, so that a collection that was made anew beside it (other shards, other quantisation) takes over in one step.
 */
export interface Collections {
  /** The alias under which a generation's points are read and written. */
  nameOf(generation: string): string;
  /** What a generation's collection is like; undefined when it has none yet. */
  find(generation: string, time?: WorkTime): Promise<Made | undefined>;
  /**
   * Makes the collection when it is missing, and brings up one of an older release ({@link addTerms}): once for all calls at
   * a time, none of which ends it by going away. Throws `model_mismatch` when it is there for another length of vectors,
   * `unavailable` while the cluster has too few nodes for its copies.
   */
  ensure(scope: VectorScope, time?: WorkTime): Promise<void>;
  /** Forgets what is known of a collection, which somebody else has dropped. */
  forget(generation: string): void;
  /** The aliases of every generation. */
  all(time?: WorkTime): Promise<string[]>;
}

export interface Made {
  /** Length of its dense vectors. */
  dimensions: number;
  /** Made by an older release and not written since: its server weighs words, by the points of all tenants. */
  serverWeighs: boolean;
}

type Settings = Config<typeof qdrantKnobs>;

export function qdrantCollections(
  qdrant: Qdrant,
  settings: Settings,
  written: NonNullable<QdrantRequest['query']>,
): Collections {
  const known = new Map<string, Made>();
  /** By alias. */
  const beingMade = new Map<string, Promise<void>>();

  function nameOf(generation: string): string {
    const hash = createHash('sha256').update(generation).digest('hex').slice(0, 12);
    // Some characters may not be in a name; the hash tells apart what looks the same without them.
    return `${settings.qdrantPrefix}.${generation.replace(/[^\w.-]+/g, '_').slice(0, 120)}.${hash}`;
  }

  async function find(generation: string, time?: WorkTime): Promise<Made | undefined> {
    const made = known.get(generation);
    if (made) return made;
    const found = await qdrant<Schemas['CollectionInfo']>(
      { method: 'GET', path: pathOf(nameOf(generation)) },
      time,
    ).catch(absent);
    const vectors = found?.config.params.vectors as Record<string, Schemas['VectorParams']> | undefined;
    const size = vectors?.[DENSE]?.size;
    if (size === undefined) return undefined;
    const serverWeighs = found?.config.params.sparse_vectors?.[LEXICAL]?.modifier === 'idf';
    const now = { dimensions: size, serverWeighs };
    // Any process may bring it up at any time.
    if (!serverWeighs) known.set(generation, now);
    return now;
  }

  /** Copies lie where the nodes are at the time, and stay there: none are made before there are enough nodes for them. */
  async function awaitNodes(): Promise<void> {
    const { qdrantReplicas: wanted = 1 } = settings;
    if (wanted === 1) return;
    const { peers = {} } = await qdrant<{ peers?: object }>({ method: 'GET', path: '/cluster' });
    const nodes = Math.max(1, Object.keys(peers).length);
    if (nodes >= wanted) return;
    throw new KnarrError(
      'unavailable',
      `The vector store has ${nodes} of the ${wanted} nodes that KNARR_QDRANT_REPLICAS needs: collections are made when it has them all.`,
    );
  }

  async function create(alias: string, dimensions: number): Promise<void> {
    await awaitNodes();
    const collection = `${alias}.1`;
    const body = collectionSettings(dimensions, settings);
    // Somebody else may be making it too.
    await qdrant({ method: 'PUT', path: pathOf(collection), body }).catch(existing);
    for (const [field_name, field_schema] of payloadIndexes(settings.qdrantRangeFields)) {
      const index = { field_name, field_schema } satisfies Schemas['CreateFieldIndex'];
      const path = `${pathOf(collection)}/index`;
      await qdrant({ method: 'PUT', path, query: { wait: true }, body: index });
    }
    const named = { create_alias: { collection_name: collection, alias_name: alias } };
    await qdrant({ method: 'POST', path: '/collections/aliases', body: { actions: [named] } });
  }

  /** Takes no caller's time: others wait for it too. */
  function makeOnce(alias: string, make: () => Promise<void>): Promise<void> {
    const under = beingMade.get(alias) ?? make().finally(() => beingMade.delete(alias));
    beingMade.set(alias, under);
    return under;
  }

  return {
    nameOf,
    find,
    forget: (generation) => void known.delete(generation),
    async ensure({ collection, generation, dimensions }, time) {
      const name = nameOf(generation);
      const before = await find(generation, time);
      const make = () => (before ? addTerms(qdrant, name, written) : create(name, dimensions));
      if (!before || before.serverWeighs) await joined(makeOnce(name, make), time);
      const made = (await find(generation, time))?.dimensions;
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

function existing(thrown: unknown): void {
  if (thrown instanceof KnarrError && thrown.code === 'conflict') return;
  throw thrown;
}
