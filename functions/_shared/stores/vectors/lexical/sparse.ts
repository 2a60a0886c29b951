import { createHash } from 'node:crypto';
import type { VectorScope } from '../port.ts';
import type { Terms } from './analyzer.ts';

/** Okapi BM25's constants (Robertson & Zaragoza 2009), as the embedded store's index has them. */
const K1 = 1.2;
const B = 0.75;

/** Non-zero dimensions and their values; every index comes once. */
export interface SparseVector {
  indices: number[];
  values: number[];
}

type Owner = Pick<VectorScope, 'tenant' | 'collection'>;

/**
 * A text's side of BM25: per term its saturated, length-normalised frequency. The other factor, IDF, is the question's.
 * `averageLength` is in terms; it is fixed, because points are written once.
 */
export function documentVector(owner: Owner, terms: Terms, averageLength: number): SparseVector {
  let length = 0;
  for (const count of terms.values()) length += count;
  const norm = K1 * (1 - B + (B * length) / averageLength);
  return sparse(owner, terms, (count) => (count * (K1 + 1)) / (count + norm));
}

/**
 * Inverse document frequency as BM25 has it in Lucene and in the embedded store: `holding` of `texts` texts hold the term.
 * Counted while others write, `holding` may be the larger one.
 */
export function idf(texts: number, holding: number): number {
  return Math.log(1 + (Math.max(texts, holding) - holding + 0.5) / (holding + 0.5));
}

/** A question's side: how often it says each term, to be multiplied by the term's IDF. */
export function queryVector(owner: Owner, terms: Terms): SparseVector {
  return sparse(owner, terms, (count) => count);
}

/**
 * A term's dimension is a 32-bit hash of the term and of whom it belongs to, so that its postings hold hardly anybody
 * else's.
 */
function sparse({ tenant, collection }: Owner, terms: Terms, weigh: (count: number) => number): SparseVector {
  const owned = createHash('sha256').update(JSON.stringify([tenant, collection]));
  const values = new Map<number, number>();
  for (const [term, count] of terms) {
    const index = owned.copy().update(term).digest().readUInt32LE();
    // Two terms of one text fall together once in ten million texts or so.
    values.set(index, (values.get(index) ?? 0) + weigh(count));
  }
  return { indices: [...values.keys()], values: [...values.values()] };
}
