/** Above this n·max²/Σlen² padding costs more than the batch saves (from text-embeddings-inference, `core/src/queue.rs`). */
const MAX_SPREAD = 1.5;
/** More texts in one run gain nothing. */
export const MAX_BATCH = 32;

/**
 * Divides texts into runs of the model, by their token counts: sorted by length, each run as long as its padded cost,
 * longest × count, stays within `tokenBudget` and its lengths are alike. A longer text alone makes a run.
 * Gives the indexes into `lengths`, every one once.
 */
export function planRuns(
  lengths: readonly number[],
  { tokenBudget, maxBatch = MAX_BATCH }: { tokenBudget: number; maxBatch?: number },
): number[][] {
  const sorted = lengths.map((length, index) => ({ length, index })).sort((a, b) => a.length - b.length);
  const runs: number[][] = [];
  let run: number[] = [];
  let squares = 0;
  for (const { length, index } of sorted) {
    const count = run.length + 1;
    const square = length ** 2;
    const fits =
      count <= maxBatch &&
      length * count <= tokenBudget &&
      (count * square) / (squares + square) <= MAX_SPREAD;
    if (run.length > 0 && !fits) {
      runs.push(run);
      run = [];
      squares = 0;
    }
    run.push(index);
    squares += square;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
