/** Cormack, Clarke & Büttcher 2009: the constant that their experiments and most engines use. */
const K = 60;

/**
 * Reciprocal rank fusion: an item's score is the sum over the lists of 1 / (60 + rank), rank from 1. Best first;
 * equal scores are ordered by key, so that the order does not depend on the lists' order.
 */
export function fuseRanks<T>(
  lists: readonly (readonly T[])[],
  keyOf: (item: T) => string,
): { item: T; score: number }[] {
  const fused = new Map<string, { item: T; score: number }>();
  for (const list of lists) {
    list.forEach((item, index) => {
      const key = keyOf(item);
      const entry = fused.get(key) ?? { item, score: 0 };
      entry.score += 1 / (K + index + 1);
      fused.set(key, entry);
    });
  }
  return [...fused.entries()]
    .sort(([a, left], [b, right]) => right.score - left.score || (a < b ? -1 : 1))
    .map(([, entry]) => entry);
}
