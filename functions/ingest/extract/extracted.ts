import { cutText } from '../../_shared/text.ts';
import { cleanLine, cleanText } from './clean.ts';

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

/** Longest title, UTF-16 code units. */
const MAX_TITLE = 512;

/** Puts a text together from its blocks, with a blank line between them. */
export class TextBuilder {
  readonly #parts: string[] = [];
  readonly #blocks: Block[] = [];
  #length = 0;

  /** Adds a block of clean text; blank lines around it are dropped, and a block of nothing else is left out. */
  add(kind: Block['kind'], raw: string, level?: number): void {
    const clean = cleanText(raw).trimEnd();
    const first = clean.length - clean.trimStart().length;
    // Code keeps the indentation of its first line.
    const text = clean.slice(kind === 'code' ? clean.lastIndexOf('\n', first) + 1 : first);
    if (text === '') return;
    if (this.#length > 0) this.#append('\n\n');
    const start = this.#length;
    this.#append(text);
    this.#blocks.push({ kind, ...(level === undefined ? {} : { level }), start, end: this.#length });
  }

  build(title: string | null): Extracted {
    return { title: cleanTitle(title), text: this.#parts.join(''), blocks: this.#blocks };
  }

  #append(text: string): void {
    this.#parts.push(text);
    this.#length += text.length;
  }
}

/** A title on one clean line; null when nothing is left of it. */
export function cleanTitle(title: string | null): string | null {
  return cutText(cleanLine(title ?? ''), MAX_TITLE) || null;
}
