import { mulberry32 } from '../../_shared/random.ts';

/** Chooses the next token from the logits of the vocabulary. */
export type Sampler = (logits: Float32Array) => number;

/** @param temperature 0 is greedy. @param topP nucleus in (0, 1]. The same `seed` makes the same choices. */
export function createSampler({
  temperature,
  topP,
  seed,
}: {
  temperature: number;
  topP: number;
  seed: number;
}): Sampler {
  if (temperature === 0) return argmax;
  const random = mulberry32(seed);
  return (logits) => draw(nucleus(softmax(logits, temperature), topP), random());
}

/** The most probable token; of equals the first. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) {
    if ((logits[id] as number) > (logits[best] as number)) best = id;
  }
  return best;
}

export interface Candidate {
  id: number;
  probability: number;
}

/**
 * The smallest set of most probable tokens whose probabilities reach `topP` together, most probable first
 * (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020). Never empty.
 */
export function nucleus(probabilities: Float32Array, topP: number): Candidate[] {
  // Sorting the whole vocabulary costs milliseconds, and hardly any of it can belong to the nucleus.
  const negligible = topP < 1 ? (1 - topP) / probabilities.length : 0;
  const candidates: Candidate[] = [];
  probabilities.forEach((probability, id) => {
    if (probability > negligible) candidates.push({ id, probability });
  });
  candidates.sort((a, b) => b.probability - a.probability || a.id - b.id);
  let sum = 0;
  const end = candidates.findIndex(({ probability }) => {
    sum += probability;
    return sum >= topP;
  });
  return end === -1 ? candidates : candidates.slice(0, end + 1);
}

/** Picks by probability; `random` is in [0, 1). The candidates need not sum to 1. */
export function draw(candidates: readonly Candidate[], random: number): number {
  const total = candidates.reduce((sum, { probability }) => sum + probability, 0);
  let left = random * total;
  for (const { id, probability } of candidates) {
    left -= probability;
    if (left < 0) return id;
  }
  return (candidates.at(-1) as Candidate).id;
}

export function softmax(logits: Float32Array, temperature: number): Float32Array {
  const highest = logits[argmax(logits)] as number;
  const weights = logits.map((logit) => Math.exp((logit - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
