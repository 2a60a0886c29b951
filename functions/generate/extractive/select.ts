import { type Scored, total } from './score.ts';
import type { Sentence } from './sentences.ts';

export const MAX_SENTENCES = 3;
/**
 * How much less than the best sentence another may score and still be quoted beside it. Each step to 0 quotes less:
 * the answer gets shorter and more precise and contains the gold answer less often (docs/quality.md has the curve).
 */
const SPREAD = 0.1;
/** Share of a sentence's stems that the chosen ones may already have (of the smaller set); above it says the same again. */
const MAX_OVERLAP = 0.75;

/** The sentences to quote, in the order of the sources and within them; never empty when `ranked` is not. */
export function selectSentences(ranked: readonly Scored[], spread = SPREAD): Sentence[] {
  const [best] = ranked;
  if (!best) return [];
  const chosen: Sentence[] = [];
  for (const scored of ranked) {
    if (total(scored) < total(best) - spread || chosen.length >= MAX_SENTENCES) break;
    const { sentence } = scored;
    if (chosen.some((other) => overlap(other, sentence) > MAX_OVERLAP)) continue;
    const more = [...sentence.before, sentence].filter((one) => !chosen.includes(one));
    if (chosen.length > 0 && chosen.length + more.length > MAX_SENTENCES) continue;
    chosen.push(...more);
  }
  return chosen.sort((a, b) => a.source - b.source || a.ordinal - b.ordinal);
}

function overlap({ stems: a }: Sentence, { stems: b }: Sentence): number {
  const shared = [...a].filter((stem) => b.has(stem)).length;
  return shared / Math.max(1, Math.min(a.size, b.size));
}
