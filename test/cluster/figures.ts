import Table from 'cli-table3';
import { quantile } from '../../bench/machine.ts';

/** What was measured, in the order in which it was. */
export class Figures {
  readonly #rows: [what: string, figure: string, from: string][] = [];

  /** `from`: what it rests on. */
  add(what: string, figure: string, from: string): void {
    this.#rows.push([what, figure, from]);
  }

  /** Median and 99th percentile of milliseconds. */
  milliseconds(what: string, sample: readonly number[], of: string): void {
    const [p50, p99] = [quantile(sample, 0.5), quantile(sample, 0.99)];
    this.add(what, `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`, `${sample.length} ${of}`);
  }

  /** Median and the longest of a few long times, as seconds. */
  seconds(what: string, sample: readonly number[], of: string): void {
    const show = (ms: number) => (ms / 1000).toFixed(1);
    const [median, longest] = [quantile(sample, 0.5), Math.max(...sample)];
    const figure =
      sample.length === 1 ? `${show(median)} s` : `${show(median)} s, at most ${show(longest)} s`;
    this.add(what, figure, `${sample.length} ${of}`);
  }

  show(): string {
    const table = new Table({ head: ['what', 'figure', 'from'], style: { head: [], border: [] } });
    table.push(...this.#rows);
    return table.toString();
  }
}
