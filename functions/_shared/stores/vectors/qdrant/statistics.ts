import { setTimeout as sleep } from 'node:timers/promises';
import type { Schemas } from '@qdrant/js-client-rest';
import { LRUCache } from 'lru-cache';
import { idf, type SparseVector } from '../lexical/sparse.ts';
import type { WorkTime } from '../port.ts';
import { absent } from './client.ts';
import type { Count } from './count.ts';
import { joined } from './joined.ts';
import { type Scope, within } from './points.ts';

const MAX_COUNTS = 20_000;
/** Terms of one question that are counted: each is a request. */
const MAX_TERMS = 128;
/** Counts of one question that are asked for at once: each listens to the caller's signal, and Node warns of more than ten. */
const AT_ONCE = 8;
/** Milliseconds that a count is waited for: a question has some ten of them. */
const PATIENCE_MS = 15;
/** Counts of terms are begun while fewer are under way, waited for or not. */
const MAX_UNDER_WAY = 64;
/** Up to so many points a count is fast, and one point more or less weighs: it is made anew when this process has changed some. */
const FEW = 1000;
/**
 * Milliseconds that a count is kept: a second, and one more for each point that was counted. So what takes long to count,
 * and hardly changes by a few points, is counted seldom.
 */
const keptFor = (count: number) => Math.min(60_000, 1_000 + count);
/** Milliseconds until a count stands in no longer for the one that is being made. */
const MAX_AGE_MS = 600_000;

/** Word statistics of a scope: its own texts alone, whoever else shares the collection, and whoever may read them. */
export interface Statistics {
  /**
   * A question's vector with each term weighed by its IDF. `name` is the collection. Of a long question the terms that it
   * says most often are counted, and the others weigh as the median of those that any text holds: whether no text holds a
   * term makes no difference. Throws `cancelled` and `deadline_exceeded`, and what the server's answers mean.
   */
  weigh(name: string, scope: Scope, vector: SparseVector, time: WorkTime): Promise<SparseVector>;
  /** This process has changed points. What others change is seen when a count has become old. */
  forget(): void;
}

interface Counted {
  points: number;
  /** Of this process, when the count began. */
  changes: number;
  /** When it was told, by `performance.now()`. */
  at: number;
}

/**
 * Counts are exact. A large one that takes longer than a question can wait for goes on for the next one, and something else
 * stands in for it: for the number of texts the count before, and for a term the server's estimate. How many texts there
 * are is never estimated: that depends on what other tenants have.
 */
export function qdrantStatistics(count: Count): Statistics {
  const counts = new LRUCache<string, Counted>({ max: MAX_COUNTS });
  const underWay = new Map<string, Promise<number>>();
  let changes = 0;

  const isFresh = ({ points, changes: before, at }: Counted) =>
    performance.now() - at < keptFor(points) && (before === changes || points > FEW);
  const mayStandIn = ({ points, at }: Counted) => points > FEW && performance.now() - at < MAX_AGE_MS;

  function begin(key: string, make: () => Promise<number>): Promise<number> {
    const before = changes;
    const counting = make()
      .then((points) => {
        counts.set(key, { points, changes: before, at: performance.now() });
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
    if (known && isFresh(known)) return known.points;
    // The scope is part of the condition: two owners' terms may have the same hash.
    const condition = term !== undefined && { key: 'terms', match: { value: term } };
    const must = [...within(scope), ...(condition ? [condition] : [])];
    // Not within the caller's time: who comes next needs it, too.
    const exact = async () => (await count(name, must).catch(absent)) ?? 0;
    const mayBegin = !condition || underWay.size < MAX_UNDER_WAY;
    const counting = underWay.get(key) ?? (mayBegin ? begin(key, exact) : undefined);
    const found = counting && (await joined(inTime(counting), time));
    if (found !== undefined) return found;
    if (condition) return roughly(name, condition, time, counting);
    return known && mayStandIn(known) ? known.points : joined(counting as Promise<number>, time);
  }

  /** The estimate is of the term's hash alone, which is its owner's: with the scope it would be of everybody's points. */
  async function roughly(
    name: string,
    term: Schemas['Condition'],
    time: WorkTime,
    counting: Promise<number> | undefined,
  ): Promise<number> {
    const estimated = async () => (await count(name, [term], { time, exact: false }).catch(absent)) ?? 0;
    const nearest = await Promise.race([estimated(), ...(counting ? [counting] : [])]);
    // Few are counted as soon as the server gets to it.
    return counting && nearest <= FEW ? joined(counting, time) : nearest;
  }

  return {
    async weigh(name, scope, { indices, values }, time) {
      if (indices.length === 0) return { indices, values };
      const said = new Map(indices.map((term, n) => [term, values[n] ?? 0]));
      const terms = indices.toSorted((a, b) => (said.get(b) ?? 0) - (said.get(a) ?? 0)).slice(0, MAX_TERMS);
      const wanted = [undefined, ...terms];
      const found: number[] = [];
      let next = 0;
      const worker = async () => {
        for (let place = next++; place < wanted.length; place = next++)
          found[place] = await counted(name, scope, time, wanted[place]);
      };
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, wanted.length) }, worker));
      const [texts = 0, ...each] = found;
      const holding = new Map(terms.map((term, n) => [term, each[n]]));
      const usual = medianHeld(each);
      return {
        indices,
        values: values.map((value, n) => value * idf(texts, holding.get(indices[n] as number) ?? usual)),
      };
    },
    forget() {
      changes++;
    },
  };
}

/** IDF falls as the number rises, so the median of the one has the median of the other. */
function medianHeld(holding: number[]): number {
  const held = holding.filter((points) => points > 0).sort((a, b) => a - b);
  return held[held.length >> 1] ?? 1;
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
