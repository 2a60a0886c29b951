/** A structural part of a document's text. */
export interface Block {
  kind: 'heading' | 'paragraph' | 'item' | 'code' | 'table';
  /** 1 (outermost) to 6; headings only. */
  level?: number;
  /** [start, end) in UTF-16 code units of the text. */
  start: number;
  end: number;
}

/** A document's text with its structure. Blocks are in order and cover everything but the blank lines between them. */
export interface Extracted {
  title: string | null;
  text: string;
  blocks: Block[];
}

export interface ExtractLimits {
  maxPages: number;
  /** Bytes that an archive may unpack to. */
  maxExpandedBytes: number;
}

/**
 * Characters that a reader cannot see but a model can: controls but tab and line feed, soft hyphens, zero-width space,
 * directional marks and overrides, byte order marks, tag characters. Joiners stay: scripts and emoji need them.
 */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Line ends as \n, form feeds as paragraph breaks, no invisible characters, no lone surrogates. */
export function cleanText(text: string): string {
  const cleaned = text.replace(/\r\n?/g, '\n').replace(/\f/g, '\n\n').replace(INVISIBLE, '');
  return cleaned.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

/** Puts a text together from its blocks, with a blank line between them. */
export class TextBuilder {
  readonly #parts: string[] = [];
  readonly #blocks: Block[] = [];
  #length = 0;

  /** Adds a block; white space around it is dropped, and a block of nothing else is left out. */
  add(kind: Block['kind'], raw: string, level?: number): void {
    const text = cleanText(raw)
      .replace(/^\s*\n|\s+$/g, '')
      .replace(/^[ \t]+(?=\S)/, kind === 'code' ? '$&' : '');
    if (text.trim() === '') return;
    if (this.#length > 0) this.#append('\n\n');
    const start = this.#length;
    this.#append(text);
    this.#blocks.push({ kind, ...(level === undefined ? {} : { level }), start, end: this.#length });
  }

  build(title: string | null): Extracted {
    const clean = title === null ? '' : cleanText(title).replace(/\s+/g, ' ').trim();
    return {
      title: clean === '' ? null : clean.slice(0, 512),
      text: this.#parts.join(''),
      blocks: this.#blocks,
    };
  }

  #append(text: string): void {
    this.#parts.push(text);
    this.#length += text.length;
  }
}
