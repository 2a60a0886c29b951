import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { idf, type SparseVector } from '../lexical/sparse.ts';
import type { WorkTime } from '../port.ts';
import { absent } from './client.ts';
import type { Count } from './count.ts';
import { type Scope, within } from './points.ts';

const MAX_COUNTS = 20_000;
/** Counts of one question that are asked for at once: each listens to the caller's signal, and Node warns of more than ten. */
const AT_ONCE = 8;
/** Milliseconds that a count is waited for: a question has some ten of them. */
const PATIENCE_MS = 15;
/** Counts under way at once, waited for or not. */
const MAX_UNDER_WAY = 64;
/** Up to so many points a count is fast, and one point more or less weighs: it is made anew when this process has changed some. */
const FEW = 1000;
/**
 * Milliseconds that a count is kept: a second, and one more for each point that was counted. So what takes long to count,
 * and hardly changes by a few points, is counted seldom.
 */
const keptFor = (count: number) => Math.min(60_000, 1_000 + count);

/** Word statistics of a scope: its own texts alone, whoever else shares the collection, and whoever may read them. */
export interface Statistics {
  /** A question's vector with each term weighed by its IDF. `name` is the collection. */
  weigh(name: string, scope: Scope, vector: SparseVector, time: WorkTime): Promise<SparseVector>;
  /** This process has changed points. What others change is seen when a count has become old. */
  forget(): void;
}

/**
 * Counts are exact. A large one that takes longer than a question can wait for goes on for the next one, and the server's
 * estimate stands in for it.
 */
export function qdrantStatistics(count: Count): Statistics {
  const counts = new LRUCache<string, { points: number; changes: number }>({ max: MAX_COUNTS });
  const underWay = new Map<string, Promise<number>>();
  let changes = 0;

  function begin(key: string, make: () => Promise<number>): Promise<number> {
    const before = changes;
    const counting = make()
      .then((points) => {
        counts.set(key, { points, changes: before }, { ttl: keptFor(points) });
        return points;
      })
      .finally(() => underWay.delete(key));
    counting.catch(() => {});
    underWay.set(key, counting);
    return counting;
  }

  async function counted(name: string, scope: Scope, time: WorkTime, term?: number): Promise<number> {
    const key = JSON.stringify([name, scope.tenant, scope.collection, term]);
    const known = counts.get(key);
    if (known && (known.changes === changes || known.points > FEW)) return known.points;
    // The scope is part of the condition: two owners' terms may have the same hash.
    const conditions = term === undefined ? [] : [{ key: 'terms', match: { value: term } }];
    const must = [...within(scope), ...conditions];
    // Not within the caller's time: who comes next needs it, too.
    const exact = async () => (await count(name, must).catch(absent)) ?? 0;
    const counting = underWay.get(key) ?? (underWay.size < MAX_UNDER_WAY ? begin(key, exact) : undefined);
    const found = counting && (await inTime(counting));
    time.signal?.throwIfAborted();
    if (found !== undefined) return found;
    // A term's hash alone is estimated best.
    const rough = term === undefined ? must : conditions;
    const estimated = async () => (await count(name, rough, { time, exact: false }).catch(absent)) ?? 0;
    const nearest = await Promise.race([estimated(), ...(counting ? [counting] : [])]);
    // Few are counted as soon as the server gets to it.
    return counting && nearest <= FEW ? counting : nearest;
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
    },
  };
}

async function inTime(counting: Promise<number>): Promise<number | undefined> {
  const over = new AbortController();
  try {
    const patience = sleep(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    return await Promise.race([counting, patience]);
  } finally {
    over.abort();
  }
}
