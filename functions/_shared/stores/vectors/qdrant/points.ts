import type { Schemas } from '@qdrant/js-client-rest';
import { textHash, uuidv5 } from '../../../ids.ts';
import type { Terms } from '../lexical/analyzer.ts';
import { documentVector } from '../lexical/sparse.ts';
import type { Point, StoredPoint, VectorScope } from '../port.ts';
import { type FilterablePayload, filterable } from './filter.ts';
import { DENSE, LEXICAL } from './schema.ts';

export type Scope = Omit<VectorScope, 'dimensions'>;

/** What Qdrant keeps beside a point's vectors. Metadata is there in its filterable form only. */
interface PointPayload extends FilterablePayload {
  tenant: string;
  collection: string;
  document: string;
  version: number;
  chunk: number;
  acl: string[];
  hash: string;
  /** The dimensions of its sparse vector, by which a term's texts are counted. */
  terms: number[];
}

/** What a point's payload says of it. */
export const STORED = ['document', 'version', 'chunk', 'hash'] as const;

export function toPoint(
  { tenant, collection }: Scope,
  point: Point,
  terms: Terms,
  averageLength: number,
): Schemas['PointStruct'] {
  const { id, document, version, chunk, acl, metadata, text } = point;
  const lexical = documentVector({ tenant, collection }, terms, averageLength);
  const payload: PointPayload = {
    ...{ tenant, collection, document, version, chunk, acl },
    hash: textHash(text),
    terms: lexical.indices,
    ...filterable(metadata),
  };
  return {
    id,
    vector: { [DENSE]: Array.from(point.vector), [LEXICAL]: lexical },
    payload: payload as unknown as Record<string, unknown>,
  };
}

export function toStored({ id, payload }: { id: string | number; payload?: unknown }): StoredPoint {
  return { ...(payload as Omit<StoredPoint, 'id'>), id: String(id) };
}

/** A point without vectors that says that a scope is there, also when it holds nothing. */
export function scopePoint({
  tenant,
  collection,
  generation,
  dimensions,
}: VectorScope): Schemas['PointStruct'] {
  return {
    id: scopeId({ tenant, collection, generation }),
    vector: {},
    // Not `collection`, by which points are found.
    payload: { kind: SCOPE, tenant, scope: { tenant, collection, generation, dimensions } },
  };
}

export const SCOPE = 'scope';
export const scopeId = ({ tenant, collection, generation }: Scope) =>
  uuidv5('scope', tenant, collection, generation);

/** What every query and removal within a scope must hold. */
export const within = ({ tenant, collection }: Scope): Schemas['Condition'][] => [
  { key: 'tenant', match: { value: tenant } },
  { key: 'collection', match: { value: collection } },
];
