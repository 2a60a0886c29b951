/** One line of NDJSON, or the news that it was longer than allowed. Lines count from 1, blank ones are skipped. */
export interface Line {
  number: number;
  /** Undefined when the line was too long; it was skipped without being kept. */
  bytes: Uint8Array | undefined;
}

const NEWLINE = 0x0a;

/** Splits a stream of bytes into lines, holding at most one line of `maxBytes` and one part of the stream. */
export async function* splitLines(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let number = 0;
  let parts: Uint8Array[] = [];
  let size = 0;
  const end = (): Line | undefined => {
    number++;
    const bytes = size > maxBytes ? undefined : Buffer.concat(parts);
    parts = [];
    size = 0;
    return bytes?.every(isBlank) ? undefined : { number, bytes };
  };
  const add = (part: Uint8Array) => {
    size += part.byteLength;
    if (size > maxBytes) parts = [];
    else parts.push(part);
  };
  for await (const part of source) {
    let start = 0;
    for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, start)) {
      add(part.subarray(start, at));
      start = at + 1;
      const line = end();
      if (line) yield line;
    }
    add(part.subarray(start));
  }
  const last = size > 0 ? end() : undefined;
  if (last) yield last;
}

const isBlank = (byte: number) => byte === 0x20 || byte === 0x09 || byte === 0x0d;
