import { expect, test } from 'vitest';
import { asset } from '../../_shared/assets.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import type { StoredChunk } from '../../_shared/stores/documents/records.ts';
import { seededRandom } from '../../_shared/testing.ts';
import { extractHtml } from '../extract/html.ts';
import { extractMarkdown } from '../extract/markdown.ts';
import { extractText } from '../extract/text.ts';
import { type ChunkLimits, chunkDocument } from './chunk.ts';

const DOCUMENTS = 20;
const tokenizer = loadTokenizer(asset('models/all-MiniLM-L6-v2'));
const countTokens = (text: string) => tokenizer.encode(text).ids.length - 2;

const WORDS =
  'ship knarr sea. wool, fish! Dr. U.S. 1066 e.g. "quoted" (aside) a Größe Ångström 日本の船。 кораблей سفينة नाव 🚢 👩‍👩‍👧 é \ufffd \u00a0 supercalifragilisticexpialidocious http://a.example/b?c=d #tag *star* _under_ `code` <b>bold</b> &amp; | - > 1.'.split(
    ' ',
  );

/** A document in Markdown with some HTML; each piece of text in it has a mark of its own. */
function randomDocument(random: (below: number) => number): { source: string; marks: string[] } {
  const marks: string[] = [];
  const mark = () => {
    marks.push(`mark${marks.length}end`);
    return marks.at(-1) as string;
  };
  const pick = <T>(list: readonly T[]) => list[random(list.length)] as T;
  const words = (most: number) =>
    [...Array.from({ length: random(most) }, () => pick(WORDS)), mark()].join(' ');
  const long = () => pick(['x', '日', '🚢', 'ab-', '. ', '\n']).repeat(200 + random(3000));
  const part = (): string =>
    pick([
      () => `${'#'.repeat(1 + random(6))} ${words(12)}`,
      () => words(120),
      () => Array.from({ length: 1 + random(12) }, () => words(30)).join('\n'),
      () => Array.from({ length: 1 + random(8) }, () => `- ${words(20)}`).join('\n'),
      () => `\`\`\`\n${Array.from({ length: 1 + random(20) }, () => `    ${words(10)}`).join('\n')}\n\`\`\``,
      () =>
        `| a | b |\n|---|---|\n${Array.from({ length: 1 + random(8) }, () => `| ${words(6)} | ${words(6)} |`).join('\n')}`,
      () => `<div><h2>${words(5)}</h2><p>${words(60)}</div>`,
      () => `> ${words(40)}`,
      long,
    ])();
  return { source: Array.from({ length: 1 + random(25) }, part).join('\n\n'), marks };
}

/** What is true of the chunks of any document. */
function check(text: string, chunks: readonly StoredChunk[], limits: ChunkLimits): void {
  const covered = new Uint8Array(text.length);
  for (const [index, { chunk, start, end, text: own, tokens, headings }] of chunks.entries()) {
    expect(chunk).toBe(index);
    expect(own).toBe(text.slice(start, end));
    expect(own).toBe(own.trim());
    expect(own).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
    expect(tokens).toBe(countTokens(own));
    expect(tokens).toBeLessThanOrEqual(limits.chunkTokens);
    expect(own.length).toBeLessThanOrEqual(limits.chunkTokens * 8);
    for (const heading of headings) expect(text.replace(/\s+/g, ' ')).toContain(heading);
    const before = chunks[index - 1];
    if (before) {
      expect(start).toBeGreaterThan(before.start);
      expect(end).toBeGreaterThan(before.end);
      if (start < before.end) {
        expect(headings).toEqual(before.headings);
        expect(countTokens(text.slice(start, before.end))).toBeLessThanOrEqual(limits.chunkOverlap);
      }
    }
    covered.fill(1, start, end);
  }
  const missed = [...covered.keys()].filter((at) => covered[at] === 0 && /\S/.test(text[at] as string));
  expect(missed, 'characters in no chunk').toEqual([]);
}

test('chunks of any document cover all of its text, keep to the limits, and are the same each time', () => {
  const { seed, below: random } = seededRandom('chunks of any document');
  for (let round = 0; round < DOCUMENTS; round++) {
    const { source, marks } = randomDocument(random);
    const limits: ChunkLimits = {
      chunkTokens: 16 + random(200),
      chunkOverlap: random(60),
      modelTokens: 40 + random(250),
      maxTokens: 1_000_000,
    };
    for (const extract of [extractMarkdown, extractText, extractHtml]) {
      const extracted = extract(source);
      const chunks = chunkDocument(extracted, limits, countTokens);
      try {
        check(extracted.text, chunks, limits);
        expect(
          marks.filter((mark) => !extracted.text.includes(mark)),
          'text that is lost',
        ).toEqual([]);
        expect(chunkDocument(extract(source), limits, countTokens)).toEqual(chunks);
      } catch (thrown) {
        throw new Error(`seed ${seed}, round ${round}, ${extract.name}, ${JSON.stringify(limits)}`, {
          cause: thrown,
        });
      }
    }
  }
});
