import type { Metadata, SearchMode } from '../../contracts.ts';
import type { Filter } from '../../filter.ts';
import type { Call, Caller } from '../../stage.ts';

/** What a set of points belongs to. Dimensions are fixed by the generation. */
export interface VectorScope {
  tenant: string;
  collection: string;
  /** Generation id. */
  generation: string;
  dimensions: number;
}

export interface Point {
  /** `pointId(…)`: the same chunk of the same version always has the same id. */
  id: string;
  document: string;
  version: number;
  chunk: number;
  vector: Float32Array;
  /** Text for the lexical side (title, headings and chunk), which is also what `vector` was made of. Not returned by searches. */
  text: string;
  metadata: Metadata;
  acl: string[];
}

export interface VectorQuery {
  mode: SearchMode;
  /** Needed by `dense` and `hybrid`. */
  vector?: Float32Array | undefined;
  /** Needed by `lexical` and `hybrid`. */
  text?: string | undefined;
  limit: number;
  filter?: Filter | undefined;
  ef?: number | undefined;
}

/** What the store says of a point that it holds. */
export interface StoredPoint {
  id: string;
  document: string;
  version: number;
  chunk: number;
  /** `textHash` of the point's text. */
  hash: string;
}

export interface PointHit {
  id: string;
  document: string;
  version: number;
  chunk: number;
  score: number;
}

/** Until when the work is wanted; a store in the same process may not heed it. */
export type WorkTime = Partial<Pick<Call, 'deadline' | 'signal'>>;

/**
 * Vectors and their lexical twin. There is one way to query, and it always filters by tenant, collection and the
 * caller's principals inside the query. Writes are visible to the next search.
 */
export interface VectorStore {
  /** Inserts or replaces by id. Throws `model_mismatch` when a vector's length is not the scope's. */
  upsert(scope: VectorScope, points: readonly Point[], time?: WorkTime): Promise<void>;
  /** Removes a document's points from every collection and generation: of versions below `below`, or of all. Returns how many. */
  remove(tenant: string, document: string, below?: number, time?: WorkTime): Promise<number>;
  /** Throws `unknown_collection` when the scope holds nothing and never did, `model_mismatch` on a wrong vector length. */
  search(
    scope: Omit<VectorScope, 'dimensions'>,
    caller: Caller & WorkTime,
    query: VectorQuery,
  ): Promise<PointHit[]>;
  count(scope: Omit<VectorScope, 'dimensions'>): Promise<number>;
  /** Vectors of a document's points by the `textHash` of their text, of those hashes that are there. */
  vectorsOf(
    scope: Omit<VectorScope, 'dimensions'>,
    document: string,
    hashes: readonly string[],
  ): Promise<Map<string, Float32Array>>;

  /** Every scope that has ever held points. */
  scopes(): Promise<VectorScope[]>;
  /** The points of a scope in the order of their ids, `limit` at a time from behind `after`. */
  scan(scope: VectorScope, options: { after?: string | undefined; limit: number }): Promise<StoredPoint[]>;
  /** Of these ids, those that the scope holds. */
  present(scope: Omit<VectorScope, 'dimensions'>, ids: readonly string[]): Promise<Set<string>>;
  removePoints(scope: Omit<VectorScope, 'dimensions'>, ids: readonly string[]): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
