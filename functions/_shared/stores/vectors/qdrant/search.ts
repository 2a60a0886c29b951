import type { Schemas } from '@qdrant/js-client-rest';
import type { Config } from '../../../config.ts';
import type { Caller } from '../../../stage.ts';
import type { SparseVector } from '../lexical/sparse.ts';
import type { VectorQuery } from '../port.ts';
import { filterCondition } from './filter.ts';
import type { qdrantKnobs } from './knobs.ts';
import { type Scope, within } from './points.ts';
import { DENSE, LEXICAL } from './schema.ts';

/** Candidates of each side that hybrid search fuses, at least; also the least breadth of a graph search. */
const CANDIDATES = 100;
/**
 * Qdrant counts ranks from 0 and adds k, so 61 makes a score the sum of 1 / (60 + rank) with ranks from 1: the constant
 * of Cormack, Clarke & Büttcher 2009 and of the embedded store.
 */
const RRF_K = 61;

type Settings = Pick<Config<typeof qdrantKnobs>, 'qdrantQuantization' | 'qdrantOversampling'>;

/**
 * The one way to query: tenant, collection and principals are part of every branch. Undefined when nothing can match:
 * the text has no terms.
 */
export function searchRequest(
  scope: Scope,
  caller: Caller,
  query: VectorQuery,
  lexical: SparseVector | undefined,
  settings: Settings,
): Schemas['QueryRequest'] | undefined {
  const { mode, limit } = query;
  const filter: Schemas['Filter'] = {
    must: [
      ...within({ ...scope, tenant: caller.tenant }),
      { key: 'acl', match: { any: [...caller.principals] } },
      ...(query.filter ? [filterCondition(query.filter)] : []),
    ],
  };
  const candidates = mode === 'hybrid' ? Math.max(limit, CANDIDATES) : limit;
  const dense = mode !== 'lexical' && {
    query: Array.from(query.vector as Float32Array),
    using: DENSE,
    filter,
    limit: candidates,
    params: {
      hnsw_ef: query.ef ?? Math.max(candidates, CANDIDATES),
      ...(settings.qdrantQuantization !== 'none' && {
        quantization: { rescore: true, oversampling: settings.qdrantOversampling },
      }),
    },
  };
  const words = mode !== 'dense' &&
    lexical !== undefined &&
    lexical.indices.length > 0 && {
      query: { indices: lexical.indices, values: lexical.values },
      using: LEXICAL,
      filter,
      limit: candidates,
    };
  const shown = { with_payload: ['document', 'version', 'chunk'], with_vector: false };
  if (mode !== 'hybrid') {
    const only = dense || words;
    return only ? { ...only, ...shown } : undefined;
  }
  const prefetch = [dense, words].filter((branch) => branch !== false);
  return { prefetch, query: { rrf: { k: RRF_K } }, filter, limit, ...shown };
}
