import type { Question } from './question.ts';
import { type Scored, total } from './score.ts';
import type { Sentence } from './sentences.ts';

export const MAX_SENTENCES = 3;
/**
 * How much less than the best sentence another may score and still be quoted beside it. Each step to 0 quotes less:
 * the answer gets shorter and more precise and contains the gold answer less often (README.md has the curve).
 */
const SPREAD = 0.1;
/** Share of a sentence's stems that the chosen ones may already have (of the smaller set); above it says the same again. */
const MAX_OVERLAP = 0.75;
/** Begins with a word that stands for something said before. */
const REFERS_BACK =
  /^["'“(]?(he|she|it|they|his|her|hers|its|their|theirs|this|these|those|that|such|both|the latter|the former)\b/i;

/** The sentences to quote, in the order of the sources and within them; never empty when `ranked` is not. */
export function selectSentences(
  question: Question,
  ranked: readonly Scored[],
  all: readonly Sentence[],
  spread = SPREAD,
): Sentence[] {
  const [best] = ranked;
  if (!best) return [];
  const chosen: Sentence[] = [];
  for (const scored of ranked) {
    if (total(scored) < total(best) - spread) break;
    if (chosen.length >= MAX_SENTENCES) break;
    if (chosen.some((other) => overlap(other, scored.sentence) > MAX_OVERLAP)) continue;
    chosen.push(scored.sentence);
    const before = antecedent(question, scored.sentence, all);
    if (before && chosen.length < MAX_SENTENCES && !chosen.includes(before)) chosen.push(before);
  }
  return chosen.sort((a, b) => a.source - b.source || a.ordinal - b.ordinal);
}

/** The sentence before one that begins with a pronoun, when it says of the question what that one leaves out. */
function antecedent(question: Question, sentence: Sentence, all: readonly Sentence[]): Sentence | undefined {
  if (!REFERS_BACK.test(sentence.text)) return undefined;
  const before = all.find(
    ({ source, ordinal }) => source === sentence.source && ordinal === sentence.ordinal - 1,
  );
  const adds = [...question.stems].some((stem) => before?.stems.has(stem) && !sentence.stems.has(stem));
  return adds ? before : undefined;
}

function overlap({ stems: a }: Sentence, { stems: b }: Sentence): number {
  const shared = [...a].filter((stem) => b.has(stem)).length;
  return shared / Math.max(1, Math.min(a.size, b.size));
}
