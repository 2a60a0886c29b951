/** Relevance judgements of one query: document id → grade, 0 is not relevant. */
export type Judgements = ReadonlyMap<string, number>;

/** nDCG at k with linear gains, as trec_eval's `ndcg_cut` computes it (Järvelin & Kekäläinen 2002). In [0, 1]. */
export function ndcgAt(ranking: readonly string[], judgements: Judgements, k: number): number {
  const gain = (grade: number, rank: number) => grade / Math.log2(rank + 2);
  const dcg = ranking.slice(0, k).reduce((sum, id, rank) => sum + gain(judgements.get(id) ?? 0, rank), 0);
  const best = [...judgements.values()].sort((a, b) => b - a).slice(0, k);
  const ideal = best.reduce((sum, grade, rank) => sum + gain(grade, rank), 0);
  return ideal === 0 ? 0 : dcg / ideal;
}

/** Share of the relevant documents among the first k. */
export function recallAt(ranking: readonly string[], judgements: Judgements, k: number): number {
  const relevant = [...judgements].filter(([, grade]) => grade > 0).map(([id]) => id);
  const top = new Set(ranking.slice(0, k));
  return relevant.length === 0 ? 0 : relevant.filter((id) => top.has(id)).length / relevant.length;
}

/** 1 / rank of the first relevant document among the first k, else 0. */
export function reciprocalRankAt(ranking: readonly string[], judgements: Judgements, k: number): number {
  const rank = ranking.slice(0, k).findIndex((id) => (judgements.get(id) ?? 0) > 0);
  return rank === -1 ? 0 : 1 / (rank + 1);
}

export interface RankingScores {
  ndcg10: number;
  recall1: number;
  recall5: number;
  recall10: number;
  recall100: number;
  mrr10: number;
}

/** Means over all judged queries; a query without a ranking scores 0. */
export function scoreRankings(
  rankings: ReadonlyMap<string, readonly string[]>,
  qrels: ReadonlyMap<string, Judgements>,
): RankingScores {
  const mean = (score: (ranking: readonly string[], judgements: Judgements) => number) => {
    let sum = 0;
    for (const [query, judgements] of qrels) sum += score(rankings.get(query) ?? [], judgements);
    return qrels.size === 0 ? 0 : sum / qrels.size;
  };
  return {
    ndcg10: mean((ranking, judged) => ndcgAt(ranking, judged, 10)),
    recall1: mean((ranking, judged) => recallAt(ranking, judged, 1)),
    recall5: mean((ranking, judged) => recallAt(ranking, judged, 5)),
    recall10: mean((ranking, judged) => recallAt(ranking, judged, 10)),
    recall100: mean((ranking, judged) => recallAt(ranking, judged, 100)),
    mrr10: mean((ranking, judged) => reciprocalRankAt(ranking, judged, 10)),
  };
}
