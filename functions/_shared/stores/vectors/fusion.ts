/** Cormack, Clarke & Büttcher 2009: the constant that their experiments and most engines use. */
const K = 60;

interface Fused<T> {
  item: T;
  /** Sum over the lists of 1 / (60 + rank), rank from 1. */
  score: number;
  /** Sum of the scores inside the lists, each list's scaled to [0, 1]. */
  evidence: number;
}

/**
 * Reciprocal rank fusion of lists that are best first. Equal sums are common (first in one list and second in the other,
 * against the reverse) and often at the top: there the scores that the ranks leave out decide, then the key, so that
 * the order does not depend on the lists' order.
 */
export function fuseRanks<T extends { score: number }>(
  lists: readonly (readonly T[])[],
  keyOf: (item: T) => string,
): { item: T; score: number }[] {
  const fused = new Map<string, Fused<T>>();
  for (const list of lists) {
    const lowest = list.at(-1)?.score ?? 0;
    const spread = (list[0]?.score ?? 0) - lowest || 1;
    list.forEach((item, index) => {
      const key = keyOf(item);
      const entry = fused.get(key) ?? { item, score: 0, evidence: 0 };
      entry.score += 1 / (K + index + 1);
      entry.evidence += (item.score - lowest) / spread;
      fused.set(key, entry);
    });
  }
  return [...fused.entries()]
    .sort(
      ([a, left], [b, right]) =>
        right.score - left.score || right.evidence - left.evidence || (a < b ? -1 : 1),
    )
    .map(([, { item, score }]) => ({ item, score }));
}
