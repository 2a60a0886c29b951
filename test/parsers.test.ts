import { afterAll, describe, expect, test } from 'vitest';
import { asset } from '../functions/_shared/assets.ts';
import { createParser, type ParserOptions } from '../functions/ingest/parser/parser.ts';
import type { Parsed } from '../functions/ingest/parser/protocol.ts';
import type { ParserCase } from './corpus/parsers/case.ts';
import { PARSER_CASES } from './corpus/parsers/index.ts';
import { testPipeline } from './support/pipeline.ts';

const MEBIBYTE = 2 ** 20;
const OPTIONS: ParserOptions = {
  model: { folder: asset('models/all-MiniLM-L6-v2'), maxTokens: 256, prefix: '' },
  extract: { maxPages: 1000, maxExpandedBytes: 32 * MEBIBYTE },
  chunk: { chunkTokens: 240, chunkOverlap: 32, maxTokens: 45_000 },
  processes: 1,
  timeoutMs: 60_000,
  memoryBytes: 768 * MEBIBYTE,
  maxBytes: 32 * MEBIBYTE,
  queue: 8,
  idleMs: 60_000,
};
/** What this process may grow by while its children read all of the corpus. */
const MAX_GROWTH = 256 * MEBIBYTE;

const parser = createParser(OPTIONS);
/** For what never ends: less patience, less memory. */
const impatient = createParser({ ...OPTIONS, timeoutMs: 4000, memoryBytes: 384 * MEBIBYTE });
const before = process.memoryUsage.rss();
afterAll(async () => {
  await parser.close();
  await impatient.close();
});

describe('the corpus of documents that are hard on their reader', () => {
  test.each(PARSER_CASES)('$name', async ({ mediaType, make, answer, endless }) => {
    const by = endless ? impatient : parser;
    const reading = by.parse({ bytes: make(), mediaType, title: null });
    if ('code' in answer) {
      const message =
        answer.message instanceof RegExp ? expect.stringMatching(answer.message) : answer.message;
      await expect(reading).rejects.toMatchObject({ code: answer.code, message, retryable: false });
    } else {
      const text = textOf(await reading);
      if ('text' in answer) expect(squeeze(text) === squeeze(answer.text), shown(text)).toBe(true);
      else {
        for (const part of answer.contains) expect(text).toContain(part);
        for (const part of answer.lacks ?? []) expect(text).not.toContain(part);
      }
    }
    const next = await by.parse({
      bytes: Buffer.from('The next document.'),
      mediaType: 'text/plain',
      title: null,
    });
    expect(next.chunks).toHaveLength(1);
  });

  test('reading it leaves this process as large as it was', () => {
    global.gc?.();
    expect(process.memoryUsage.rss() - before).toBeLessThan(MAX_GROWTH);
  });
});

test('what cannot be read ends once and for all, with its reason, and the next document is indexed', async () => {
  const knarr = await testPipeline({ KNARR_PARSE_TIMEOUT: '3s', KNARR_MAX_EXPANDED_BYTES: '32MiB' });
  try {
    const cases = [
      ['a PDF in name only', 'unprocessable'],
      ['a zip bomb that says it is small', 'too_large'],
      ['a PDF page that draws ten billion texts with ten forms', 'unprocessable'],
    ];
    for (const [name, code] of cases) {
      const { mediaType, make, answer } = PARSER_CASES.find((one) => one.name === name) as ParserCase;
      const init = { body: Buffer.from(make()), headers: { 'content-type': mediaType } };
      expect((await knarr.api('PUT', '/v1/documents/hard', undefined, init)).status).toBe(202);
      const message = 'message' in answer ? expect.stringMatching(answer.message) : '';
      expect(await knarr.ended('hard')).toMatchObject({ state: 'dead_lettered', error: { code, message } });
      const letters = await knarr.api('GET', '/v1/dead-letters?limit=1');
      expect(letters.body.dead_letters[0]).toMatchObject({ code, attempts: 1 });
      expect((await knarr.api('PUT', '/v1/documents/next', { text: `After ${name}.` })).status).toBe(202);
      expect((await knarr.ended('next')).state).toBe('indexed');
    }
  } finally {
    await knarr.close();
  }
});

/** The text that the chunks cover. */
function textOf({ chunks }: Parsed): string {
  const parts: string[] = [];
  let end = 0;
  for (const chunk of chunks) {
    if (chunk.start > end) parts.push('\n');
    parts.push(chunk.text.slice(Math.max(0, end - chunk.start)));
    end = chunk.end;
  }
  return parts.join('');
}

const squeeze = (text: string) => text.replace(/\s+/g, '');
const shown = (text: string) => `${text.length} characters: ${text.slice(0, 200)}`;
