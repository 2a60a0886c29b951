import Table from 'cli-table3';
import ora from 'ora';

/** A line on a terminal that is written over until it stops; nothing elsewhere. */
export interface Progress {
  show(text: string): void;
  stop(): void;
}

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
  /** Problems: always to standard error. */
  note(line: string): void;
  /** To standard error, where it is a terminal. */
  progress(text: string): Progress;
}

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid', 'middle'].flatMap((place) => [
    [place, ''],
    [`${place}-left`, ''],
    [`${place}-mid`, ''],
    [`${place}-right`, ''],
  ]),
);

export function createOutput(json: boolean): Output {
  const onTerminal = process.stdout.isTTY === true;
  const colour = onTerminal && process.env.NO_COLOR === undefined;
  return {
    json,
    text: (line = '') => void (json || process.stdout.write(`${line}\n`)),
    write: (text) => void (json || process.stdout.write(plain(text))),
    data: (value) => void (json && process.stdout.write(`${JSON.stringify(value)}\n`)),
    table(head, rows) {
      if (json) return;
      const style = { head: colour ? ['bold'] : [], border: [], 'padding-left': 0, 'padding-right': 2 };
      const table = new Table({ head, style, chars: NO_LINES });
      table.push(...rows.map((row) => row.map((cell) => (typeof cell === 'string' ? plain(cell) : cell))));
      process.stdout.write(`${table.toString().replace(/ +$/gm, '')}\n`);
    },
    note: (line) => void process.stderr.write(`${plain(line)}\n`),
    progress(text) {
      // A terminal of no width has no line to write over; lines of JSON on the same terminal would be torn apart.
      const hasLine = process.stderr.isTTY === true && process.stderr.columns > 0;
      const isSilent = !hasLine || (json && onTerminal);
      const spinner = ora({ text, isSilent, discardStdin: false }).start();
      return {
        show(next) {
          spinner.text = plain(next);
        },
        stop: () => void spinner.stop(),
      };
    },
  };
}

/** What documents say, without the control characters that would steer a terminal; tabs and line ends stay. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** `12.3 ms`, `1.24 s`. */
export function milliseconds(value: number): string {
  return value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** A clickable name on terminals that know OSC 8 links; elsewhere the name alone. */
export function link(name: string, target: string | null): string {
  if (target === null || process.stdout.isTTY !== true) return plain(name);
  return `\u001b]8;;${plain(target)}\u001b\\${plain(name)}\u001b]8;;\u001b\\`;
}

/** `[██████░░░░]` of the given width for a share between 0 and 1. */
export function bar(share: number, width = 24): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${'█'.repeat(filled)}${'░'.repeat(width - filled)}]`;
}
