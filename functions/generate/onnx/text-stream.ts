/** Turns tokens into text as they come. */
export interface TextStream {
  /** Takes the next token; gives the text that is now certain, often none. */
  push(token: number): string;
  /** What was held back. Nothing may be pushed afterwards. */
  end(): string;
  /** A stop string was met; the text ends before it. */
  readonly stopped: boolean;
}

/** Marks bytes that are no whole character (yet). */
const REPLACEMENT = '\ufffd';

/**
 * Text that ends inside a character is held back until the rest has come, and so is text that may be the beginning of
 * a stop string. `decode` is given the tokens since the last certain character with those of the piece before it,
 * because decoders treat the first token of a text differently.
 */
export function createTextStream(decode: (tokens: number[]) => string, stop: readonly string[]): TextStream {
  let previous: number[] = [];
  let current: number[] = [];
  let held = '';
  let stopped = false;

  function decodeCurrent(final: boolean): string {
    if (current.length === 0) return '';
    const before = previous.length === 0 ? '' : decode(previous);
    const text = decode([...previous, ...current]);
    if (!final && (text.endsWith(REPLACEMENT) || text.length <= before.length)) return '';
    previous = current;
    current = [];
    return text.slice(before.length);
  }

  function release(text: string, final: boolean): string {
    held += text;
    const hits = stop.map((end) => held.indexOf(end)).filter((index) => index >= 0);
    if (hits.length > 0) {
      stopped = true;
      const certain = held.slice(0, Math.min(...hits));
      held = '';
      return certain;
    }
    const keep = final ? 0 : Math.max(0, ...stop.map((end) => overlap(held, end)));
    const certain = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return certain;
  }

  return {
    push(token) {
      if (stopped) return '';
      current.push(token);
      return release(decodeCurrent(false), false);
    },
    end: () => (stopped ? '' : release(decodeCurrent(true), true)),
    get stopped() {
      return stopped;
    },
  };
}

/** Length of the longest end of `text` that is a beginning of `end`. */
function overlap(text: string, end: string): number {
  for (let length = Math.min(text.length, end.length - 1); length > 0; length--) {
    if (text.endsWith(end.slice(0, length))) return length;
  }
  return 0;
}
