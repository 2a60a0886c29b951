import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toCloudEvent } from '../functions/_shared/events.ts';
import { writeBinary } from '../functions/_shared/runtime/cloudevents.ts';
import { type TestPipeline, testPipeline } from './support/pipeline.ts';

let knarr: TestPipeline;
beforeAll(async () => {
  knarr = await testPipeline();
});
afterAll(() => knarr?.close());

async function put(id: string, text: string, more: Record<string, unknown> = {}) {
  const accepted = await knarr.api('PUT', `/v1/documents/${id}`, { text, ...more });
  expect(accepted.status).toBe(202);
  return { accepted: accepted.body, ended: await knarr.ended(id) };
}

/** Chunks embedded so far, as the metrics tell it. */
async function embedded(): Promise<number> {
  const { body } = await knarr.api('GET', '/metrics');
  return Number(/^knarr_embedded_chunks_total\S* (\d+)/m.exec(body)?.[1] ?? 0);
}

async function readEvents(response: Response) {
  const events: { event: string | undefined; data: any }[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ event, data: JSON.parse(data) }),
  });
  parser.feed(await response.text());
  return events;
}

describe('a streamed answer', () => {
  test('gives sources first, then tokens that make up the answer, then the rest', async () => {
    await put('river', 'The Glomma is the longest river in Norway.', { collection: 'stream' });
    const response = await fetch(`${knarr.url}/v1/rag`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ question: 'What is the longest river in Norway?', collection: 'stream' }),
    });
    const events = await readEvents(response);
    expect(events[0]?.event).toBe('sources');
    expect(events.at(-1)?.event).toBe('done');
    const tokens = events.filter(({ event }) => event === 'token').map(({ data }) => data.text);
    expect(tokens.join('')).toBe(events.at(-1)?.data.answer);
    expect(events.at(-1)?.data.answer).toContain('Glomma');
  });
});

test('what a stage says comes from this process alone; a submission from whoever reaches it', async () => {
  const send = async (name: 'query.answered' | 'document.submitted', data: object) => {
    const event = toCloudEvent('generate', { name, subject: 'x', data } as never, { tenant: 'default' });
    const response = await fetch(knarr.url, { method: 'POST', ...writeBinary(event) });
    return [response.status, await response.text()];
  };
  expect(await send('query.answered', { query: 'x' })).toEqual([
    422,
    expect.stringContaining('"unauthenticated"'),
  ]);
  const submitted = { document: 'event', text: 'The Mjøsa is a lake.', collection: 'events' };
  expect(await send('document.submitted', submitted)).toEqual([204, '']);
  expect(await knarr.ended('event')).toMatchObject({ state: 'indexed' });
});

describe('an edited document', () => {
  test('embeds only what changed', async () => {
    const sections = Array.from(
      { length: 20 },
      (_, n) => `## Part ${n}\n\n${`Sentence about topic ${n}, told at some length. `.repeat(30)}`,
    );
    const document = (parts: readonly string[]) => ({
      text: parts.join('\n\n'),
      content_type: 'text/markdown',
    });
    await knarr.api('PUT', '/v1/documents/book', document(sections));
    const { chunks } = await knarr.ended('book');
    const before = await embedded();
    sections[7] = `${sections[7]} One more sentence, which nobody has read before.`;
    await knarr.api('PUT', '/v1/documents/book', document(sections));
    expect(await knarr.ended('book')).toMatchObject({ version: 2, state: 'indexed' });
    const again = (await embedded()) - before;
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThanOrEqual(chunks * 0.15);
  });

  test('shows each of its versions and how it ended', async () => {
    await put('history', 'First words.');
    await put('history', 'Second words.');
    await knarr.api('DELETE', '/v1/documents/history');
    const { body } = await knarr.api('GET', '/v1/documents/history/versions');
    expect(body.versions).toMatchObject([
      { version: 3, state: 'deleted', reason: 'The document was deleted.' },
      { version: 2, state: 'superseded', reason: 'Version 3 took its place.' },
      { version: 1, state: 'superseded', reason: 'Version 2 took its place.' },
    ]);
  });
});

describe('a restart', () => {
  test('keeps everything, and finishes what was under way', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'knarr-restart-'));
    try {
      const before = await testPipeline({ KNARR_DATA_DIR: folder });
      await before.api('PUT', '/v1/documents/kept', { text: 'Runes were carved in stone.' });
      await before.ended('kept');
      for (let n = 0; n < 20; n++)
        await before.api('PUT', `/v1/documents/late-${n}`, { text: `Late document number ${n}.` });
      await before.close();

      const after = await testPipeline({ KNARR_DATA_DIR: folder });
      try {
        for (let n = 0; n < 20; n++) expect((await after.ended(`late-${n}`)).state).toBe('indexed');
        const hits = await after.api('POST', '/v1/search', { query: 'carved runes', limit: 3 });
        expect(hits.body.passages[0].document).toBe('kept');
      } finally {
        await after.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
