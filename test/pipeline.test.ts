import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
const askIn = async (collection: string, question: string) =>
  (await knarr.api('POST', '/v1/rag', { question, collection })).body;

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

describe('a document from acceptance to deletion', () => {
  test('is searchable once indexed, and its answer is cited word for word', async () => {
    const { accepted, ended } = await put(
      'ship',
      'The knarr was a Norse merchant ship. It carried cargo across the North Atlantic.',
      {
        title: 'Ships',
        collection: 'life',
        metadata: { kind: 'ship' },
      },
    );
    expect(accepted).toMatchObject({ id: 'ship', version: 1, collection: 'life' });
    expect(ended).toMatchObject({ state: 'indexed', chunks: 1, indexed_chunks: 1 });

    const answer = await askIn('life', 'What did the knarr carry?');
    expect(answer.answered).toBe(true);
    expect(answer.answer).toContain('cargo');
    const [citation] = answer.citations;
    const source = answer.sources[citation.source];
    expect(source).toMatchObject({ document: 'ship', version: 1, title: 'Ships' });
    expect(source.text).toContain(answer.answer.slice(citation.start, citation.end).trim());
    expect(Object.keys(answer.timings)).toEqual(
      expect.arrayContaining(['embed', 'search', 'fetch', 'generate', 'total']),
    );
  });

  test('an update replaces what was said, at once and for good', async () => {
    await put('ship', 'The knarr carried wool and timber.', { title: 'Ships', collection: 'life' });
    const answer = await askIn('life', 'What did the knarr carry?');
    expect(answer.answer).toContain('wool');
    expect(JSON.stringify(answer)).not.toContain('cargo');
    expect(answer.sources.every((source: { version: number }) => source.version === 2)).toBe(true);
  });

  test('the same content again changes nothing', async () => {
    const again = await knarr.api('PUT', '/v1/documents/ship', {
      text: 'The knarr carried wool and timber.',
      title: 'Ships',
      collection: 'life',
    });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ version: 2, state: 'indexed' });
  });

  test('a deleted document is gone from answers and says so itself', async () => {
    const removed = await knarr.api('DELETE', '/v1/documents/ship');
    expect(removed.status).toBe(202);
    const answer = await askIn('life', 'What did the knarr carry?');
    expect(answer.sources).toEqual([]);
    expect(answer.answered).toBe(false);
    const state = await knarr.api('GET', '/v1/documents/ship');
    expect(state.status).toBe(404);
    expect(state.body).toMatchObject({ state: 'deleted' });
    await knarr.idle();
    const hits = await knarr.api('POST', '/v1/search', { query: 'knarr wool', collection: 'life' });
    expect(hits.body.passages).toEqual([]);
  });
});

describe('asynchronous questions', () => {
  test('travel through every stage by events and can be polled', async () => {
    await put('fjord', 'Bergen lies between seven mountains.', { collection: 'async' });
    const asked = await knarr.api('POST', '/v1/rag', undefined, {
      body: JSON.stringify({ question: 'Where does Bergen lie?', collection: 'async' }),
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    });
    expect(asked.status).toBe(202);
    const location = asked.headers.get('location') ?? '';
    expect(location).toMatch(/^\/v1\/queries\//);
    let state = await knarr.api('GET', location);
    for (let attempt = 0; state.body.state === 'pending' && attempt < 500; attempt++) {
      await sleep(20);
      state = await knarr.api('GET', location);
    }
    expect(state.body.state).toBe('answered');
    expect(JSON.stringify(state.body)).toContain('seven mountains');
  });
});

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

describe('a failing document', () => {
  test('ends dead-lettered with its reason, and the dead letter is listed', async () => {
    const accepted = await knarr.api('PUT', '/v1/documents/broken', undefined, {
      body: '%PDF-1.7\nthis is no PDF',
      headers: { 'content-type': 'application/pdf' },
    });
    expect(accepted.status).toBe(202);
    const ended = await knarr.ended('broken');
    expect(ended.state).toBe('dead_lettered');
    expect(ended.error.code).toBe('unprocessable');
    await knarr.idle();
    const letters = await knarr.api('GET', '/v1/dead-letters');
    const [letter] = letters.body.dead_letters;
    expect(letter).toMatchObject({ code: 'unprocessable', attempts: 1, event: { subject: 'broken' } });

    const replayed = await knarr.api('POST', `/v1/dead-letters/${letter.id}/replay`);
    expect(replayed).toMatchObject({ status: 202, body: { replayed: 1 } });
    expect(await knarr.ended('broken')).toMatchObject({ version: 1, state: 'dead_lettered' });
    await knarr.idle();
    const again = await knarr.api('GET', '/v1/dead-letters?code=unprocessable');
    expect(again.body.dead_letters).toMatchObject([{ id: letter.id, attempts: 2 }]);
  });

  test('leaves ledger and vector store in step', async () => {
    const drift = await knarr.api('POST', '/v1/admin/reconcile', { repair: false });
    expect(drift.body).toMatchObject({ missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 });
    expect(drift.body.points).toBeGreaterThan(0);
    const rebuilt = await knarr.api('POST', '/v1/admin/rebuild', { collection: 'life' });
    expect(rebuilt.status).toBe(202);
  });
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
