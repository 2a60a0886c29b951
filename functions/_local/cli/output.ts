import Table from 'cli-table3';

/** Where a command writes: people on a terminal get text, pipes and `--json` get JSON. */
export interface Output {
  readonly json: boolean;
  /** Text for people; nothing in JSON mode. */
  text(line?: string): void;
  /** Text without a line end, for streams. */
  write(text: string): void;
  /** One JSON document on one line; nothing in text mode. */
  data(value: unknown): void;
  table(head: string[], rows: (string | number)[][]): void;
  /** Progress and problems: always to standard error. */
  note(line: string): void;
}

export function createOutput(json: boolean): Output {
  const colour = process.stdout.isTTY === true && !json && process.env.NO_COLOR === undefined;
  return {
    json,
    text: (line = '') => void (json || process.stdout.write(`${line}\n`)),
    write: (text) => void (json || process.stdout.write(text)),
    data: (value) => void (json && process.stdout.write(`${JSON.stringify(value)}\n`)),
    table(head, rows) {
      if (json) return;
      const table = new Table({ head, style: colour ? {} : { head: [], border: [] } });
      table.push(...rows);
      process.stdout.write(`${table.toString()}\n`);
    },
    note: (line) => void process.stderr.write(`${line}\n`),
  };
}

/** `12.3 ms`, `1.24 s`. */
export function milliseconds(value: number): string {
  return value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** A clickable name on terminals that know OSC 8 links; elsewhere the name alone. */
export function link(name: string, target: string | null): string {
  if (target === null || process.stdout.isTTY !== true) return name;
  return `\u001b]8;;${target}\u001b\\${name}\u001b]8;;\u001b\\`;
}

/** `[██████░░░░]` of the given width for a share between 0 and 1. */
export function bar(share: number, width = 24): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${'█'.repeat(filled)}${'░'.repeat(width - filled)}]`;
}
