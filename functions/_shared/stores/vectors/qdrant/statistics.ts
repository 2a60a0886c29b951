import { LRUCache } from 'lru-cache';
import { idf, type SparseVector } from '../lexical/sparse.ts';
import type { WorkTime } from '../port.ts';
import { absent } from './client.ts';
import type { Count } from './count.ts';
import { type Scope, within } from './points.ts';

const MAX_COUNTS = 20_000;
/** Counts of one question that are asked for at once: each listens to the caller's signal, and Node warns of more than ten. */
const AT_ONCE = 8;
/**
 * Milliseconds that a count is kept: a second, and one more for each point that was counted. So what takes long to count,
 * and hardly changes by a few points, is counted seldom.
 */
const keptFor = (count: number) => Math.min(60_000, 1_000 + count);

/** Word statistics of a scope: its own texts alone, whoever else shares the collection, and whoever may read them. */
export interface Statistics {
  /** A question's vector with each term weighed by its IDF. `name` is the collection. */
  weigh(name: string, scope: Scope, vector: SparseVector, time: WorkTime): Promise<SparseVector>;
  /** Forgets what was counted: this process has changed points. What others change is seen when a count has become old. */
  forget(): void;
}

export function qdrantStatistics(count: Count): Statistics {
  const counts = new LRUCache<string, number>({ max: MAX_COUNTS });
  let changes = 0;

  async function counted(name: string, scope: Scope, time: WorkTime, term?: number): Promise<number> {
    const key = JSON.stringify([name, scope.tenant, scope.collection, term]);
    const known = counts.get(key);
    if (known !== undefined) return known;
    const before = changes;
    const conditions = term === undefined ? [] : [{ key: 'terms', match: { value: term } }];
    // The scope is part of the condition: two owners' terms may have the same hash.
    const found = (await count(name, [...within(scope), ...conditions], time).catch(absent)) ?? 0;
    if (before === changes) counts.set(key, found, { ttl: keptFor(found) });
    return found;
  }

  return {
    async weigh(name, scope, { indices, values }, time) {
      if (indices.length === 0) return { indices, values };
      const wanted = [undefined, ...indices];
      const found: number[] = [];
      let next = 0;
      const worker = async () => {
        for (let place = next++; place < wanted.length; place = next++)
          found[place] = await counted(name, scope, time, wanted[place]);
      };
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, wanted.length) }, worker));
      const [texts = 0, ...holding] = found;
      return { indices, values: values.map((value, n) => value * idf(texts, holding[n] ?? 0)) };
    },
    forget() {
      changes++;
      counts.clear();
    },
  };
}
