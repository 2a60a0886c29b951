import { chunkContext } from '../../_shared/chunk.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { StoredChunk } from '../../_shared/stores/documents/port.ts';
import type { Extracted } from '../extract/extracted.ts';
import { type CountTokens, type Unit, unitsOf } from './units.ts';

export interface ChunkLimits {
  /** Longest chunk, tokens. */
  chunkTokens: number;
  /** Tokens that a chunk repeats from the one before it in its section. */
  chunkOverlap: number;
  /** Tokens that the model reads, special tokens counted. */
  modelTokens: number;
  /** Longest document, tokens. */
  maxTokens: number;
}

/** [CLS] and [SEP]. */
const SPECIAL_TOKENS = 2;
/** A section shorter than this share of a chunk is joined with the next. */
const SMALL_SHARE = 0.25;

interface Draft {
  units: Unit[];
  tokens: number;
  headings: string[];
  /** Its first units, up to here, are repeated from the chunk before. */
  repeated: number;
}

/**
 * Cuts a document into chunks along its structure: sections, then sentences, then words. Every chunk is a contiguous
 * range of the text; together they cover all of it but white space. Throws `too_large` beyond `maxTokens`.
 */
export function chunkDocument(
  extracted: Extracted,
  limits: ChunkLimits,
  countTokens: CountTokens,
): StoredChunk[] {
  const { text, title } = extracted;
  const units = unitsOf(extracted, limits.chunkTokens, countTokens);
  const total = units.reduce((sum, { tokens }) => sum + tokens, 0);
  if (total > limits.maxTokens) {
    throw new KnarrError(
      'too_large',
      `The document has ${total} tokens; ${limits.maxTokens} are the limit (KNARR_MAX_DOCUMENT_TOKENS).`,
    );
  }
  /** What is left for the text when the model also reads the context in front of it. */
  const room = (headings: string[]) => {
    const context = chunkContext(title, headings);
    const taken = context === '' ? 0 : countTokens(`${context}.`);
    return Math.max(1, Math.min(limits.chunkTokens, limits.modelTokens - SPECIAL_TOKENS - taken));
  };

  const drafts: Draft[] = [];
  let draft: Draft | undefined;
  for (const unit of units) {
    if (draft && !fits(draft, unit, room)) {
      drafts.push(draft);
      const sameSection = samePath(draft.headings, unit.headings);
      draft = sameSection
        ? overlapOf(draft, limits.chunkOverlap, room(unit.headings) - unit.tokens)
        : undefined;
    }
    draft ??= { units: [], tokens: 0, headings: unit.headings, repeated: 0 };
    draft.headings = pathOf(draft, unit);
    draft.units.push(unit);
    draft.tokens += unit.tokens;
  }
  if (draft) drafts.push(draft);

  return drafts.map(({ units: parts, tokens, headings }, chunk) => {
    const start = (parts[0] as Unit).start;
    const end = (parts.at(-1) as Unit).end;
    return { chunk, text: text.slice(start, end), start, end, headings, tokens };
  });
}

const samePath = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((part, i) => part === b[i]);

function fits(draft: Draft, unit: Unit, room: (headings: string[]) => number): boolean {
  const limit = room(pathOf(draft, unit));
  if (draft.tokens + unit.tokens > limit) return false;
  if (samePath(draft.headings, unit.headings) || onlyHeadings(draft)) return true;
  return draft.tokens < limit * SMALL_SHARE;
}

const onlyHeadings = (draft: Draft) => draft.units.slice(draft.repeated).every(({ isHeading }) => isHeading);

/** A chunk of several sections is about what they have in common; bare headings belong to what follows them. */
function pathOf(draft: Draft, unit: Unit): string[] {
  if (draft.units.length === 0 || onlyHeadings(draft)) return unit.headings;
  const end = draft.headings.findIndex((part, index) => part !== unit.headings[index]);
  return end === -1 ? draft.headings : draft.headings.slice(0, end);
}

/** The beginning of the next chunk: the last whole sentences of this one, as far as they are few enough and leave room. */
function overlapOf(draft: Draft, overlap: number, roomLeft: number): Draft | undefined {
  const units: Unit[] = [];
  let tokens = 0;
  for (const unit of draft.units.toReversed()) {
    if (tokens + unit.tokens > Math.min(overlap, roomLeft) || units.length === draft.units.length - 1) break;
    units.unshift(unit);
    tokens += unit.tokens;
  }
  if (units.length === 0) return undefined;
  return { units, tokens, headings: draft.headings, repeated: units.length };
}
