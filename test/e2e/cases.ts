import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishLines } from '../../functions/_local/cli/commands/publish.ts';
import type { Publisher, StageName } from '../../functions/_shared/stage.ts';
import type { Api } from '../support/api.ts';
import { saga } from '../support/saga.ts';
import { strangersGetNothing } from './strangers.ts';

/** An arrangement of the pipeline: the same stages, stores and Triggers, joined in one way or another. */
export interface Arrangement extends Api {
  /** Ends every process of it and removes what they kept. */
  close(): Promise<void>;
}

/** One whose Broker can be reached from outside, as that of one process cannot. */
export interface OpenArrangement extends Arrangement {
  publisher: Publisher;
  /** Where each stage answers whoever knows the address, as it does in a cluster. */
  urls: Readonly<Record<StageName, string>>;
}

const KNARR = 'The knarr was a Norse merchant ship. It carried cargo across the North Atlantic.';

const ask = async (knarr: Api, collection: string, question: string) =>
  (await knarr.api('POST', '/v1/rag', { question, collection, budget_ms: 20_000 })).body;
const lettersOf = async (knarr: Api, query: string) =>
  (await knarr.api('GET', `/v1/dead-letters?${query}`)).body.dead_letters;

/** {@link endToEnd}, and what it does for whoever reaches its Broker and its stages. */
export function endToEndByBroker(start: () => Promise<OpenArrangement>): void {
  let knarr: OpenArrangement;
  endToEnd(async () => {
    knarr = await start();
    return knarr;
  });

  test('a stream can be published to the Broker itself; what is refused is dead-lettered', async () => {
    const lines = [
      { document: 'streamed', text: 'Heimaey is the largest of the Westman Islands.', collection: 'in' },
      { document: 'unreachable', uri: 'ftp://example.com/islands.txt', collection: 'in' },
    ];
    const told: string[] = [];
    const stream = Readable.from([Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))]);
    const output = { note: (line: string) => told.push(line) };
    const read = await publishLines(stream, 'default', knarr.publisher, output, AbortSignal.timeout(60_000));
    expect({ ...read, told }).toEqual({ published: 2, refused: 0, told: [] });
    expect(await knarr.ended('streamed')).toMatchObject({ version: 1, state: 'indexed' });
    const { sources } = await ask(knarr, 'in', 'Which island is the largest of the Westman Islands?');
    expect(sources[0]).toMatchObject({ document: 'streamed', version: 1 });
    await expect
      .poll(() => lettersOf(knarr, 'subject=unreachable'), { timeout: 30_000 })
      .toMatchObject([{ code: 'invalid_request', event: { type: 'dev.knarr.document.submitted.v1' } }]);
  });

  test('whoever reaches the stages themselves reads nothing, and ends nothing', async () => {
    const text = 'Skellig Michael is a steep island.';
    const put = await knarr.api('PUT', '/v1/documents/secret', { text, acl: ['user:nobody'] });
    expect(put.status).toBe(202);
    const { version, chunks } = await knarr.ended('secret');
    expect(chunks).toBe(1);
    await strangersGetNothing(knarr.urls, text, { document: 'secret', version });
    expect(await knarr.ended('secret')).toMatchObject({ version, state: 'indexed' });
  });
}

/** What the pipeline does for whoever uses its API, in any arrangement. */
export function endToEnd(start: () => Promise<Arrangement>): void {
  let knarr: Arrangement;
  beforeAll(async () => {
    knarr = await start();
  }, 180_000);
  afterAll(() => knarr?.close());

  async function put(id: string, text: string, more: Record<string, unknown> = {}) {
    const accepted = await knarr.api('PUT', `/v1/documents/${id}`, { text, ...more });
    expect(accepted.status, JSON.stringify(accepted.body)).toBe(202);
    return { accepted: accepted.body, ended: await knarr.ended(id) };
  }
  describe('a document from acceptance to deletion', () => {
    test('is searchable once indexed, and its answer is cited word for word', async () => {
      const more = { title: 'Ships', collection: 'life', metadata: { kind: 'ship' } };
      const { accepted, ended } = await put('ship', KNARR, more);
      expect(accepted).toMatchObject({ id: 'ship', version: 1, collection: 'life' });
      expect(ended).toMatchObject({ state: 'indexed', chunks: 1, indexed_chunks: 1 });

      const answer = await ask(knarr, 'life', 'What did the knarr carry?');
      expect(answer.answered).toBe(true);
      expect(answer.degraded).toEqual([]);
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
      const answer = await ask(knarr, 'life', 'What did the knarr carry?');
      expect(answer.answer).toContain('wool');
      expect(JSON.stringify(answer)).not.toContain('cargo');
      expect(answer.sources.every((source: { version: number }) => source.version === 2)).toBe(true);
    });

    test('a long one is indexed as a whole: its last part is found', async () => {
      const more = { collection: 'long', content_type: 'text/markdown' };
      const { ended } = await put('saga', saga(90), more);
      expect(ended).toMatchObject({ state: 'indexed', chunks: 90, indexed_chunks: 90 });
      expect(await lettersOf(knarr, 'subject=saga')).toEqual([]);
      const answer = await ask(knarr, 'long', 'Which ship is number 89?');
      expect(answer.sources[0].text).toContain('Ship 89');
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
      const answer = await ask(knarr, 'life', 'What did the knarr carry?');
      expect(answer.sources).toEqual([]);
      expect(answer.answered).toBe(false);
      const state = await knarr.api('GET', '/v1/documents/ship');
      expect(state.status).toBe(404);
      expect(state.body).toMatchObject({ state: 'deleted' });
      const hits = await knarr.api('POST', '/v1/search', { query: 'knarr wool', collection: 'life' });
      expect(hits.body.passages).toEqual([]);
    });
  });

  test('a document can be submitted as an event', async () => {
    const sent = await knarr.api('POST', '/v1/events', undefined, {
      body: JSON.stringify({
        document: 'by-event',
        text: 'Lindisfarne is a tidal island.',
        collection: 'in',
      }),
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': 'submitted-1',
        'ce-source': '/somebody',
        'ce-type': 'dev.knarr.document.submitted.v1',
        'ce-subject': 'by-event',
      },
    });
    expect(sent.status, JSON.stringify(sent.body)).toBe(202);
    await expect
      .poll(async () => (await knarr.api('GET', '/v1/documents/by-event')).body.state, { timeout: 30_000 })
      .toBe('indexed');
  });

  test('an asynchronous question travels through every stage by events and can be polled', async () => {
    await put('fjord', 'Bergen lies between seven mountains.', { collection: 'async' });
    const asked = await knarr.api('POST', '/v1/rag', undefined, {
      body: JSON.stringify({ question: 'Where does Bergen lie?', collection: 'async' }),
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    });
    expect(asked.status, JSON.stringify(asked.body)).toBe(202);
    const location = asked.headers.get('location') ?? '';
    expect(location).toMatch(/^\/v1\/queries\//);
    await expect
      .poll(async () => (await knarr.api('GET', location)).body.state, { timeout: 30_000 })
      .toBe('answered');
    const { body } = await knarr.api('GET', location);
    expect(JSON.stringify(body)).toContain('seven mountains');
  });

  describe('a failing document', () => {
    test('ends dead-lettered with its reason; its dead letter is listed, and counted again after a replay', async () => {
      const accepted = await knarr.api('PUT', '/v1/documents/broken', undefined, {
        body: '%PDF-1.7\nthis is no PDF',
        headers: { 'content-type': 'application/pdf' },
      });
      expect(accepted.status).toBe(202);
      const ended = await knarr.ended('broken');
      expect(ended.state).toBe('dead_lettered');
      expect(ended.error.code).toBe('unprocessable');
      await expect.poll(() => lettersOf(knarr, 'subject=broken'), { timeout: 30_000 }).toHaveLength(1);
      const [letter] = await lettersOf(knarr, 'subject=broken');
      expect(letter).toMatchObject({ code: 'unprocessable', attempts: 1, event: { subject: 'broken' } });

      const replayed = await knarr.api('POST', `/v1/dead-letters/${letter.id}/replay`);
      expect(replayed).toMatchObject({ status: 202, body: { replayed: 1 } });
      await expect
        .poll(() => lettersOf(knarr, 'code=unprocessable'), { timeout: 30_000 })
        .toMatchObject([{ id: letter.id, attempts: 2 }]);
      expect(await knarr.ended('broken')).toMatchObject({ version: 1, state: 'dead_lettered' });
    });

    test('leaves ledger and vector store in step', async () => {
      const drift = await knarr.api('POST', '/v1/admin/reconcile', { repair: false });
      expect(drift.body).toMatchObject({ missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 });
      expect(drift.body.points).toBeGreaterThan(0);
      const rebuilt = await knarr.api('POST', '/v1/admin/rebuild', { collection: 'in' });
      expect(rebuilt.status).toBe(202);
    });
  });
}
