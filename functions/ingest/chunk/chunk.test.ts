import { describe, expect, test } from 'vitest';
import { asset } from '../../_shared/assets.ts';
import { chunkContext, withContext } from '../../_shared/chunk.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { extractMarkdown } from '../extract/markdown.ts';
import { extractText } from '../extract/text.ts';
import { type ChunkLimits, chunkDocument } from './chunk.ts';

const tokenizer = loadTokenizer(asset('models/all-MiniLM-L6-v2'));
const countTokens = (text: string) => tokenizer.encode(text).ids.length - 2;
const LIMITS: ChunkLimits = { chunkTokens: 60, chunkOverlap: 20, modelTokens: 254, maxTokens: 100_000 };
const chunksOf = (markdown: string, limits: Partial<ChunkLimits> = {}) =>
  chunkDocument(extractMarkdown(markdown), { ...LIMITS, ...limits }, countTokens);
/** Sentences of 9 tokens each, numbered. */
const sentences = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `The ship number ${from + i} carried wool and fish.`).join(' ');

describe('heading paths', () => {
  test('a chunk knows the headings above it, and a heading stays with what follows', () => {
    const chunks = chunksOf(
      `# Ships\n\n## Knarr\n\n${sentences(0, 5)}\n\n## Karve\n\n### Crew\n\n${sentences(5, 5)}`,
    );
    expect(chunks.map(({ headings, text }) => [headings, text.split('\n')[0]])).toEqual([
      [['Ships', 'Knarr'], 'Ships'],
      [['Ships', 'Karve', 'Crew'], 'Karve'],
    ]);
    expect(chunks[0]?.text).toBe(`Ships\n\nKnarr\n\n${sentences(0, 5)}`);
  });

  test('levels may be skipped, and come back', () => {
    const chunks = chunksOf(
      `# A\n\n#### B\n\n${sentences(0, 5)}\n\n## C\n\n${sentences(5, 5)}\n\n# D\n\n${sentences(10, 5)}`,
    );
    expect(chunks.map(({ headings }) => headings)).toEqual([['A', 'B'], ['A', 'C'], ['D']]);
  });

  test('text before the first heading has none', () => {
    const chunks = chunksOf(`${sentences(0, 5)}\n\n# A\n\n${sentences(5, 5)}`);
    expect(chunks.map(({ headings }) => headings)).toEqual([[], ['A']]);
  });

  test('a document of headings alone, and one that ends with a heading', () => {
    expect(chunksOf('# A\n\n## B').map(({ headings, text }) => [headings, text])).toEqual([
      [['A', 'B'], 'A\n\nB'],
    ]);
    const last = chunksOf(`# A\n\n${sentences(0, 5)}\n\n## B`).at(-1);
    expect(last).toMatchObject({ headings: ['A', 'B'], text: 'B' });
  });

  test('an endless heading is shortened in the path, not in the text', () => {
    const heading = 'very long heading '.repeat(60).trim();
    const chunks = chunksOf(`# ${heading}🚢`);
    expect(chunks[0]?.headings[0]).toBe(heading.slice(0, 200));
    expect(chunks.map(({ text }) => text).join(' ')).toBe(`${heading}🚢`);
    for (const { tokens } of chunks) expect(tokens).toBeLessThanOrEqual(LIMITS.chunkTokens);
  });
});

describe('sections', () => {
  test('small ones next to each other share a chunk, under what they have in common', () => {
    const chunks = chunksOf(
      '# FAQ\n\n## Who?\n\nThe Norse.\n\n## What?\n\nA ship.\n\n## When?\n\nLong ago.',
      {
        chunkTokens: 120,
      },
    );
    expect(chunks).toHaveLength(1);
    expect(chunks[0]?.headings).toEqual(['FAQ']);
  });

  test('are joined whole: none is torn apart to fill a chunk', () => {
    const chunks = chunksOf(`# A\n\n## B\n\nShort.\n\n## C\n\n${sentences(0, 8)}`);
    expect(chunks.map(({ headings, text }) => [headings, text.split('\n\n').at(0)])).toEqual([
      [['A', 'B'], 'A'],
      [['A', 'C'], 'C'],
      [['A', 'C'], expect.stringContaining('The ship number')],
    ]);
  });

  test('of different chapters are not joined', () => {
    const chunks = chunksOf('# A\n\n## A1\n\nShort.\n\n# B\n\nShort, too.');
    expect(chunks.map(({ headings }) => headings)).toEqual([['A', 'A1'], ['B']]);
  });
});

describe('cuts', () => {
  test('are made between sentences, and preferably between paragraphs', () => {
    const chunks = chunksOf(`${sentences(0, 5)}\n\n${sentences(5, 5)}\n\n${sentences(10, 5)}`, {
      chunkOverlap: 0,
    });
    expect(chunks.map(({ text }) => text)).toEqual([sentences(0, 5), sentences(5, 5), sentences(10, 5)]);
  });

  test('the last two chunks are about equal, instead of a rest', () => {
    const [first, second, ...more] = chunksOf(sentences(0, 7), { chunkOverlap: 0 });
    expect(more).toEqual([]);
    expect(Math.abs((first?.tokens ?? 0) - (second?.tokens ?? 0))).toBeLessThanOrEqual(10);
  });

  test('repeat the last whole sentences, as many as the overlap has room for', () => {
    const chunks = chunksOf(sentences(0, 20));
    for (const [index, chunk] of chunks.entries()) {
      const before = chunks[index - 1];
      if (!before) continue;
      const shared = before.text.slice(chunk.start - before.start);
      expect(chunk.text.startsWith(shared)).toBe(true);
      expect(shared).toMatch(/^The ship number \d+ .* fish\.$/);
      expect(countTokens(shared)).toBe(18);
    }
    expect(chunks.length).toBeGreaterThan(4);
  });

  test('repeat nothing over the end of a section, nothing without overlap, no sentence longer than it', () => {
    const apart = (chunks: { start: number; end: number }[]) =>
      chunks.every(({ start }, index) => start >= (chunks[index - 1]?.end ?? 0));
    expect(apart(chunksOf(`# A\n\n${sentences(0, 5)}\n\n# B\n\n${sentences(5, 5)}`))).toBe(true);
    expect(apart(chunksOf(sentences(0, 20), { chunkOverlap: 0 }))).toBe(true);
    expect(apart(chunksOf(sentences(0, 20), { chunkOverlap: 8 }))).toBe(true);
  });

  test('an overlap larger than a chunk does not stand still', () => {
    const chunks = chunksOf(sentences(0, 30), { chunkOverlap: 4096 });
    expect(chunks.at(-1)?.end).toBe(sentences(0, 30).length);
    expect(chunks.length).toBeLessThan(15);
  });

  test('code and tables are cut between lines', () => {
    const code = Array.from(
      { length: 20 },
      (_, i) => `${i % 2 ? '  ' : ''}call(${i}, "some argument"); // line`,
    ).join('\n');
    const chunks = chunksOf(`\`\`\`\n${code}\n\`\`\``, { chunkOverlap: 0 });
    expect(chunks.length).toBeGreaterThan(2);
    for (const { text } of chunks) expect(text).toMatch(/^call\(\d+, [\s\S]*\/\/ line$/);
  });

  test('a sentence longer than a chunk is cut between words', () => {
    const chunks = chunksOf('word '.repeat(150).trim(), { chunkOverlap: 0 });
    for (const { text } of chunks) expect(text).toMatch(/^word( word)*$/);
    expect(chunks.flatMap(({ text }) => text.split(' '))).toHaveLength(150);
  });

  test('a word longer than a chunk is cut between characters', () => {
    const chunks = chunksOf('🚢'.repeat(5000), { chunkOverlap: 0 });
    expect(chunks.map(({ text }) => text).join('')).toBe('🚢'.repeat(5000));
    for (const { text } of chunks) expect(text).toMatch(/^(🚢)+$/u);
  });

  test('an edit changes the chunks around it only', () => {
    const paragraphs = Array.from({ length: 60 }, (_, i) => sentences(i * 10, 2 + (i % 4)));
    const texts = (edited: readonly string[]) => chunksOf(edited.join('\n\n')).map(({ text }) => text);
    const before = texts(paragraphs);
    for (const place of [0, 30, 59]) {
      const after = texts(paragraphs.toSpliced(place, 1, `A new sentence. ${paragraphs[place]}`));
      expect(after.filter((text) => !before.includes(text)).length, `paragraph ${place}`).toBeLessThanOrEqual(
        6,
      );
    }
  });
});

describe('limits', () => {
  test('with its context in front a chunk is never longer than the model reads', () => {
    const path = '# A rather long heading of the chapter\n\n## And another one below it\n\n';
    const chunks = chunksOf(path + sentences(0, 40), { chunkTokens: 240, modelTokens: 64 });
    for (const { text, headings } of chunks) {
      expect(
        countTokens(withContext(chunkContext('A rather long heading of the chapter', headings), text)),
      ).toBeLessThanOrEqual(64);
    }
    expect(chunks.length).toBeGreaterThan(6);
  });

  test('a context that fills the model leaves room for some text', () => {
    const chunks = chunksOf(`# ${'Überschrift '.repeat(20)}\n\n${sentences(0, 3)}`, { modelTokens: 20 });
    expect(chunks.at(-1)?.text).toContain('fish');
    for (const { tokens } of chunks) expect(tokens).toBeLessThanOrEqual(16);
  });

  test('words of one token each do not make a chunk without end', () => {
    const blob = `${'x'.repeat(150)} `.repeat(2000).trim();
    const chunks = chunkDocument(
      extractText(blob),
      { ...LIMITS, chunkTokens: 8000, modelTokens: 8192 },
      countTokens,
    );
    for (const { text } of chunks) expect(text.length).toBeLessThanOrEqual(16_000);
    const spaces = chunkDocument(extractText(`a${' '.repeat(50_000)}b`), LIMITS, countTokens);
    expect(spaces.map(({ text }) => text)).toEqual(['a', 'b']);
  });

  test('hold when a whole has more tokens than its parts', () => {
    const everyCharacter = (text: string) => text.length;
    const limits = { ...LIMITS, chunkTokens: 80, chunkOverlap: 40 };
    const chunks = chunkDocument(extractText(sentences(0, 10)), limits, everyCharacter);
    for (const { tokens, text } of chunks) {
      expect(tokens).toBe(text.length);
      expect(tokens).toBeLessThanOrEqual(80);
    }
    expect(chunks.at(-1)?.end).toBe(sentences(0, 10).length);
  });

  test('a document with more tokens than allowed is refused', () => {
    expect(() => chunksOf(sentences(0, 20), { maxTokens: 100 })).toThrow(
      expect.objectContaining({
        code: 'too_large',
        message: 'The document has more than 100 tokens, which are the limit (KNARR_MAX_DOCUMENT_TOKENS).',
      }),
    );
    expect(chunksOf(sentences(0, 10), { maxTokens: 100 }).length).toBeGreaterThan(0);
  });
});

test('chunks are numbered, and hold the text of their range with its tokens', () => {
  const extracted = extractMarkdown(`# A\n\n${sentences(0, 30)}`);
  const chunks = chunkDocument(extracted, LIMITS, countTokens);
  for (const [index, { chunk, text, start, end, tokens }] of chunks.entries()) {
    expect(chunk).toBe(index);
    expect(text).toBe(extracted.text.slice(start, end));
    expect(tokens).toBe(countTokens(text));
  }
});
