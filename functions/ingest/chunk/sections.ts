import { cutText } from '../../_shared/text.ts';
import type { Block, Extracted } from '../extract/extracted.ts';

/** A heading with the blocks below it, up to the next heading. */
export interface Section {
  /** Headings from the outermost to its own. */
  headings: string[];
  blocks: Block[];
  /** False when it is only a heading. */
  hasBody: boolean;
}

/** Longest heading in a path, UTF-16 code units. */
const MAX_HEADING = 200;

/** The sections of a document in order; what stands before the first heading is one without headings. */
export function sectionsOf({ text, blocks }: Extracted): Section[] {
  const sections: Section[] = [];
  const path: { level: number; text: string }[] = [];
  let section: Section | undefined;
  for (const block of blocks) {
    if (block.kind === 'heading') {
      const level = block.level ?? 6;
      while ((path.at(-1)?.level ?? 0) >= level) path.pop();
      path.push({
        level,
        text: cutText(text.slice(block.start, block.end).replace(/\s+/g, ' '), MAX_HEADING),
      });
      section = undefined;
    }
    if (!section) {
      section = { headings: path.map((heading) => heading.text), blocks: [], hasBody: false };
      sections.push(section);
    }
    section.blocks.push(block);
    section.hasBody ||= block.kind !== 'heading';
  }
  return sections;
}

/** The headings that two paths begin with. */
export function commonPath(a: readonly string[], b: readonly string[]): string[] {
  const end = a.findIndex((part, index) => part !== b[index]);
  return a.slice(0, end === -1 ? a.length : end);
}

/** Whether one section is inside the other, or both are inside the same. */
export function areClose(a: readonly string[], b: readonly string[]): boolean {
  return commonPath(a, b).length >= Math.max(a.length, b.length) - 1;
}
