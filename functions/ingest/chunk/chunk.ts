import { chunkContext } from '../../_shared/chunk.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { StoredChunk } from '../../_shared/stores/documents/records.ts';
import type { Extracted } from '../extract/extracted.ts';
import { cutIntoChunks } from './cut.ts';
import { areClose, commonPath, type Section, sectionsOf } from './sections.ts';
import { type CountTokens, type Unit, unitsOf } from './units.ts';

export interface ChunkLimits {
  /** Longest chunk, tokens. */
  chunkTokens: number;
  /** Most tokens that a chunk repeats from the one before it in its section. */
  chunkOverlap: number;
  /** Tokens that the model reads of a text, special tokens and prefix not counted. */
  modelTokens: number;
  /** Longest document, tokens. */
  maxTokens: number;
}

/** The model reads this much text however long the context in front of it is. */
const MIN_TOKENS = 16;
/** A group of sections shorter than this share of a chunk takes in the next section. */
const SMALL_SHARE = 0.25;
/**
 * Code units of a chunk per token that it may have. WordPiece makes one token of any word of 100 characters or more, and
 * none of white space, so tokens alone would let a chunk grow without limit.
 */
const CHARACTERS_PER_TOKEN = 8;
/** Longest chunk in code units: at up to three bytes each it fits an event with its reference and context. */
const MAX_CHARACTERS = 16_000;

/** Sections that go into the same chunks. */
interface Group {
  headings: string[];
  units: Unit[];
  tokens: number;
  /** Of its last section; it has only headings while `hasBody` is false. */
  last: Section;
  hasBody: boolean;
}

/**
 * Cuts a document into chunks along its structure: sections, then paragraphs, sentences, words. Every chunk is a
 * contiguous range of the text; together they cover all of it but white space. Throws `too_large` beyond `maxTokens`.
 */
export function chunkDocument(
  extracted: Extracted,
  limits: ChunkLimits,
  countTokens: CountTokens,
): StoredChunk[] {
  const { text, title } = extracted;
  const sections = sectionsOf(extracted);
  const rooms = new Map<string, number>();
  /** Tokens left for the text when the model also reads the context in front of it. */
  const room = (headings: readonly string[]): number => {
    const context = chunkContext(title, headings);
    let tokens = rooms.get(context);
    if (tokens === undefined) {
      const taken = context === '' ? 0 : countTokens(`${context}.`);
      tokens = Math.min(limits.chunkTokens, Math.max(MIN_TOKENS, limits.modelTokens - taken));
      rooms.set(context, tokens);
    }
    return tokens;
  };
  // A unit fits wherever it goes.
  const smallest = sections.reduce((least, { headings }) => Math.min(least, room(headings)), room([]));
  const characters = (tokens: number) => Math.min(MAX_CHARACTERS, tokens * CHARACTERS_PER_TOKEN);
  const unitLimits = { tokens: smallest, characters: characters(smallest) };

  const groups: Group[] = [];
  let total = 0;
  for (const section of sections) {
    const units: Unit[] = [];
    let tokens = 0;
    for (const block of section.blocks) {
      for (const unit of unitsOf(extracted, block, unitLimits, countTokens)) {
        units.push(unit);
        tokens += unit.tokens;
        total += unit.tokens;
        if (total > limits.maxTokens) throw tooLong(limits.maxTokens);
      }
    }
    const group = groups.at(-1);
    if (group && joins(group, section, tokens, room)) extend(group, section, units, tokens);
    else groups.push({ headings: section.headings, units, tokens, last: section, hasBody: section.hasBody });
  }

  const ranges = groups.flatMap(({ headings, units }) => {
    const tokens = room(headings);
    const overlap = Math.min(limits.chunkOverlap, Math.floor(tokens / 2));
    const size = { tokens, overlap, characters: characters(tokens) };
    return cutIntoChunks(text, units, size, countTokens).map((range) => ({ ...range, headings }));
  });
  return ranges.map(({ start, end, tokens, headings }, chunk) => ({
    chunk,
    text: text.slice(start, end),
    start,
    end,
    headings,
    tokens,
  }));
}

const tooLong = (limit: number) =>
  new KnarrError(
    'too_large',
    `The document has more than ${limit} tokens, which are the limit (KNARR_MAX_DOCUMENT_TOKENS).`,
  );

function joins(
  group: Group,
  section: Section,
  tokens: number,
  room: (headings: readonly string[]) => number,
): boolean {
  if (!areClose(group.last.headings, section.headings)) return false;
  // A bare heading belongs to what follows it.
  if (!group.hasBody) return true;
  const limit = room(commonPath(group.headings, section.headings));
  return group.tokens < limit * SMALL_SHARE && group.tokens + tokens <= limit;
}

function extend(group: Group, section: Section, units: readonly Unit[], tokens: number): void {
  group.headings = group.hasBody ? commonPath(group.headings, section.headings) : section.headings;
  for (const unit of units) group.units.push(unit);
  group.tokens += tokens;
  group.last = section;
  group.hasBody ||= section.hasBody;
}
