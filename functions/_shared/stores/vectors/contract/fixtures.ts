import { pointId } from '../../../ids.ts';
import type { Caller } from '../../../stage.ts';
import type { Point, VectorQuery, VectorStore } from '../port.ts';

export const everyone = (tenant: string): Caller => ({ tenant, principals: ['*'] });

/** A unit vector in `dimensions` dimensions that leans towards one axis. */
export function towards(axis: number, dimensions = 4): Float32Array {
  const vector = new Float32Array(dimensions).fill(0.1);
  vector[axis] = 1;
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

export const scopeOf = (tenant: string, dimensions = 4) => ({
  tenant,
  collection: 'default',
  // A generation fixes the length of its vectors.
  generation: dimensions === 4 ? 'g' : `g${dimensions}`,
  dimensions,
});

export function point(tenant: string, document: string, more: Partial<Point> = {}): Point {
  const { version = 1, chunk = 0 } = more;
  return {
    id: pointId(tenant, document, version, chunk, 'g'),
    document,
    version,
    chunk,
    vector: towards(0),
    text: document,
    metadata: {},
    acl: ['*'],
    ...more,
  };
}

/** Searches a tenant's default collection, by likeness unless the query says otherwise; gives the ids of the documents. */
export function finder(store: () => VectorStore) {
  return async (
    tenant: string,
    query: Partial<VectorQuery>,
    caller = everyone(tenant),
  ): Promise<string[]> => {
    const hits = await store().search(scopeOf(tenant), caller, {
      mode: 'dense',
      vector: towards(0),
      limit: 10,
      ...query,
    });
    return hits.map(({ document }) => document);
  };
}
