import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { textHash } from '../../../_shared/ids.ts';

/** Lines and documents that are remembered, together: 100,000 documents of a line each take some 50 MB. */
const MAX_REMEMBERED = 200_000;

interface Known {
  /** Hashes of what was published of the document, in order; of a stream that goes on, of the last line alone. */
  lines: string[];
  /** Which reading met the document last, and how many lines of it that one has met. */
  reading: number;
  met: number;
}

/** How a stream is read. */
export interface ReadingOptions {
  /** It is all there and read from its beginning each time, as a file is. Else it goes on where it was, or begins anew. */
  whole?: boolean | undefined;
  /** When it was changed last, as its server says: then a line is the same event for every process that reads it. */
  modified?: string | undefined;
}

export interface Reading {
  /**
   * What tells the event of this line, the next one of its document, from those of the same line at other times and
   * places. Undefined when there is nothing to say: it was published by an earlier reading, and is as it was.
   */
  place(document: string, line: string): string | undefined;
  /** It was published. */
  published(document: string, line: string): void;
  /**
   * The stream has come to its end. False when a reading of the same has something to publish: what was not published
   * by this one, and where lines are gone that were a document's last, the one that is now, which was published before.
   */
  end(): boolean;
}

/**
 * What was published of a stream, as far as it is remembered (the documents that were met longest ago go first): what is forgotten is published again, which costs an event and changes nothing.
 */
export function streamMemory(max = MAX_REMEMBERED): { begin(options?: ReadingOptions): Reading } {
  const known = new LRUCache<string, Known>({
    maxSize: max,
    sizeCalculation: ({ lines }) => lines.length + 1,
  });
  const process = randomUUID();
  let readings = 0;

  return {
    begin({ whole = false, modified } = {}) {
      const reading = ++readings;
      const when = modified ?? `${process}/${reading}`;
      let position = 0;
      /** Lines that were not published though they should have been: the one at hand, and any before it. */
      let isOpen = false;
      let isMissing = false;
      const metOf = (of: Known | undefined) => (of?.reading === reading ? of.met : 0);
      const keep = (document: string, lines: string[], met: number) =>
        known.set(document, { lines, reading, met });
      return {
        place(document, line) {
          position++;
          const before = known.get(document);
          const met = metOf(before);
          const same = whole ? before?.lines[met] : before?.lines.at(-1);
          if (before && same === textHash(line)) {
            keep(document, before.lines, met + 1);
            return undefined;
          }
          isMissing ||= isOpen;
          isOpen = true;
          return `${when}#${position}`;
        },
        published(document, line) {
          const before = known.get(document);
          const met = metOf(before);
          isOpen = false;
          const lines = before?.lines ?? [];
          // What follows here was said at another place, or not at all any more.
          lines.length = whole ? Math.min(lines.length, met) : 0;
          lines.push(textHash(line));
          keep(document, lines, met + 1);
        },
        end() {
          let isAll = !isMissing && !isOpen;
          for (const [document, { lines, reading: last, met }] of known.entries()) {
            if (!whole || last !== reading || met >= lines.length) continue;
            known.delete(document);
            isAll = false;
          }
          return isAll;
        },
      };
    },
  };
}
