import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOCUMENTS } from './corpus/documents.ts';
import { REQUESTS } from './corpus/requests.ts';
import { type TestPipeline, testPipeline } from './support/pipeline.ts';

// What can be told from the request is refused with it; what can only be told from a document's content is accepted and
// ends dead-lettered, with the reason. Afterwards everything works as before.

let knarr: TestPipeline;
/** Input, status and message, as they were seen; printed at the end. */
const seen: [string, string, string][] = [];
beforeAll(async () => {
  knarr = await testPipeline({ KNARR_MAX_EXPANDED_BYTES: '32MiB', KNARR_MAX_DOCUMENT_BYTES: '16MiB' });
  await knarr.api('PUT', '/v1/documents/good', { text: 'A knarr is a Norse merchant ship.' });
  expect((await knarr.ended('good')).state).toBe('indexed');
});
afterAll(async () => {
  console.info(seen.map((row) => `| ${row.join(' | ')} |`).join('\n'));
  await knarr?.close();
});

const send = (method: string, path: string, type: string, body: string | Uint8Array, headers = {}) =>
  knarr.api(method, path, undefined, {
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'content-type': type, ...headers },
  });

describe('at the door', () => {
  test.each(REQUESTS)('$name', async ({ name, method, path, type, body, headers, status, code, says }) => {
    const answer = await send(method, path, type, body, headers);
    seen.push([name, String(answer.status), answer.body.detail]);
    expect(answer.status, JSON.stringify(answer.body)).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({ status, code, detail: expect.stringContaining(says) });
  });

  test.each([
    ['dimensions the model does not have', { input: 'ship', dimensions: 768 }, 400, 'has 384 dimensions'],
    [
      'a model that is not there',
      { input: 'ship', model: 'text-embedding-3-large' },
      404,
      'There is no model',
    ],
    ['more than the model reads', { input: 'ship '.repeat(400) }, 400, 'tokens, more than'],
    ['an empty text to embed', { input: '' }, 400, 'input'],
  ])('%s', async (name, body, status, says) => {
    const answer = await knarr.api('POST', '/v1/embeddings', body);
    seen.push([name, String(answer.status), answer.body.error.message]);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ message: expect.stringContaining(says) });
  });

  test('a bad line of a batch stops no other', async () => {
    const deep = `{"text":${'['.repeat(70)}${']'.repeat(70)}}`;
    const lines = [
      '{"id":"line-1","text":"One."}',
      '{',
      '{"text":"a","__proto__":{}}',
      deep,
      '',
      '{"id":"line-6","text":"Six."}',
    ];
    const answer = await fetch(`${knarr.url}/v1/documents:batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    });
    const results = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(results.map(({ line, status }) => [line, status])).toEqual([
      [1, 202],
      [2, 400],
      [3, 400],
      [4, 400],
      [6, 202],
    ]);
    expect(results[2].error.detail).toContain('__proto__');
    expect((await knarr.ended('line-6')).state).toBe('indexed');
  });
});

describe('inside', () => {
  const idOf = (name: string) => name.replace(/\W+/g, '-');

  test.each(DOCUMENTS)('$name', async ({ name, type, content, ends }) => {
    const id = idOf(name);
    expect((await send('PUT', `/v1/documents/${id}`, type, content)).status).toBe(202);
    const { state, error } = await knarr.ended(id);
    seen.push([name, `202, ${state}`, error?.message ?? '']);
    if ('finds' in ends) {
      expect({ state, error }).toEqual({ state: 'indexed', error: null });
      const { body } = await knarr.api('POST', '/v1/search', { query: ends.finds, limit: 5 });
      expect(body.passages.map(({ document }: { document: string }) => document)).toContain(id);
    } else {
      const { code, says } = ends;
      expect({ state, error }).toEqual({
        state: 'dead_lettered',
        error: { code, message: expect.stringContaining(says) },
      });
    }
  });

  test('each that failed is a dead letter with its reason', async () => {
    await knarr.idle();
    const { body } = await knarr.api('GET', '/v1/dead-letters?limit=1000');
    const letters = body.dead_letters as { event: { subject: string }; code: string; message: string }[];
    const told = letters.map(({ event: { subject }, code, message }) => ({
      id: subject,
      code,
      says: message,
    }));
    const expected = DOCUMENTS.flatMap(({ name, ends }) =>
      'finds' in ends
        ? []
        : [{ id: idOf(name), code: ends.code, says: expect.stringContaining(ends.says) as string }],
    );
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect(told.sort(byId)).toEqual(expected.sort(byId));
  });
});

test('the server is well afterwards', async () => {
  expect((await knarr.api('GET', '/health/liveness')).status).toBe(200);
  expect((await knarr.api('GET', '/health/readiness')).status).toBe(200);
  await knarr.api('PUT', '/v1/documents/after', { text: 'A byrding is a Norse coaster.' });
  expect((await knarr.ended('after')).state).toBe('indexed');
  const { body } = await knarr.api('POST', '/v1/rag', { question: 'What is a byrding?' });
  expect(body.answer).toContain('Norse coaster');
  expect(Object.keys(Object.prototype)).toEqual([]);
});
