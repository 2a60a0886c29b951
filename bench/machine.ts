import { availableParallelism, cpus, totalmem } from 'node:os';

/** One line that says on what a figure was taken. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown CPU';
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${availableParallelism()} × ${model}, ${memory} GiB, ${process.platform}-${process.arch}, Node ${process.versions.node}`;
}

/** The q-quantile (0 to 1) of a sample by nearest rank; NaN for none. */
export function quantile(sample: readonly number[], q: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
