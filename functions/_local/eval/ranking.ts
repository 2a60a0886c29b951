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

type Measure = (ranking: readonly string[], judgements: Judgements) => number;

/** By their usual names, as `ir_measures` has them. */
const MEASURES = {
  'nDCG@10': (ranking, judged) => ndcgAt(ranking, judged, 10),
  'recall@1': (ranking, judged) => recallAt(ranking, judged, 1),
  'recall@5': (ranking, judged) => recallAt(ranking, judged, 5),
  'recall@10': (ranking, judged) => recallAt(ranking, judged, 10),
  'recall@100': (ranking, judged) => recallAt(ranking, judged, 100),
  'MRR@10': (ranking, judged) => reciprocalRankAt(ranking, judged, 10),
} satisfies Record<string, Measure>;

/** All in [0, 1]. */
export type RankingScores = Record<keyof typeof MEASURES, number>;
export const RANKING_MEASURES = Object.keys(MEASURES) as (keyof RankingScores)[];

/** Means over all judged queries; a query without a ranking scores 0. */
export function scoreRankings(
  rankings: ReadonlyMap<string, readonly string[]>,
  qrels: ReadonlyMap<string, Judgements>,
): RankingScores {
  const mean = (measure: Measure) => {
    let sum = 0;
    for (const [query, judgements] of qrels) sum += measure(rankings.get(query) ?? [], judgements);
    return qrels.size === 0 ? 0 : sum / qrels.size;
  };
  return Object.fromEntries(
    Object.entries(MEASURES).map(([name, measure]) => [name, mean(measure)]),
  ) as RankingScores;
}
