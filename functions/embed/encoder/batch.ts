/** A text as token ids. */
export interface TokenIds {
  ids: Int32Array;
}

/** Above this n·max²/Σlen² the padding costs more than the batch saves (text-embeddings-inference measures the same ratio). */
const MAX_SPREAD = 1.5;
/** On CPU a batch gains with short texts and loses with long ones; beyond 32 it gains nothing more. */
const MAX_BATCH = 32;

/**
 * How many of the first texts, by their token counts, make the next batch: FIFO as long as the padded cost, longest × count, stays within
 * `tokenBudget`. At least one.
 */
export function admit(lengths: readonly number[], tokenBudget: number): number {
  let longest = 0;
  let count = 0;
  for (const length of lengths) {
    longest = Math.max(longest, length);
    if (count > 0 && (longest * (count + 1) > tokenBudget || count === MAX_BATCH)) break;
    count++;
  }
  return count;
}

/** Splits a batch, sorted by length, into runs of similar length, so that short texts are not padded to long ones. */
export function splitByLength<T extends TokenIds>(batch: readonly T[]): T[][] {
  const sorted = [...batch].sort((a, b) => a.ids.length - b.ids.length);
  const runs: T[][] = [];
  let run: T[] = [];
  let squares = 0;
  for (const entry of sorted) {
    const square = entry.ids.length ** 2;
    if (run.length > 0 && ((run.length + 1) * square) / (squares + square) > MAX_SPREAD) {
      runs.push(run);
      run = [];
      squares = 0;
    }
    run.push(entry);
    squares += square;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
