import { KnarrError } from '../../_shared/errors.ts';
import { bodies, type Room } from '../limits/bodies.ts';

/** One line of NDJSON, or why it was skipped without being kept. Lines count from 1, blank ones are skipped. */
export type Line = { number: number } & ({ bytes: Uint8Array } | { refusal: KnarrError });

const NEWLINE = 0x0a;

/**
 * Splits a stream of bytes into lines, holding at most one line of `maxBytes` and one part of the stream. Takes room for
 * each line until the next one is asked for.
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  room: Room = bodies(Number.POSITIVE_INFINITY).open(),
): AsyncGenerator<Line> {
  let number = 0;
  let parts: Uint8Array[] = [];
  let size = 0;
  let refusal: KnarrError | undefined;
  const end = (): Line | undefined => {
    number++;
    const line: Line = refusal ? { number, refusal } : { number, bytes: Buffer.concat(parts) };
    parts = [];
    size = 0;
    refusal = undefined;
    return 'bytes' in line && line.bytes.every(isBlank) ? undefined : line;
  };
  const refuse = (error: KnarrError) => {
    refusal = error;
    parts = [];
    room.end();
  };
  const add = (part: Uint8Array) => {
    size += part.byteLength;
    if (refusal) return;
    if (size > maxBytes) {
      return refuse(new KnarrError('too_large', `The line is longer than ${maxBytes} bytes.`));
    }
    try {
      room.grow(part.byteLength);
      parts.push(part);
    } catch (thrown) {
      refuse(KnarrError.from(thrown));
    }
  };
  try {
    for await (const part of source) {
      let start = 0;
      for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, start)) {
        add(part.subarray(start, at));
        start = at + 1;
        const line = end();
        if (line) yield line;
        room.end();
      }
      add(part.subarray(start));
    }
    const last = size > 0 ? end() : undefined;
    if (last) yield last;
  } finally {
    room.end();
  }
}

const isBlank = (byte: number) => byte === 0x20 || byte === 0x09 || byte === 0x0d;
