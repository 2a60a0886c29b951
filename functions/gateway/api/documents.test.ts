import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestGateway, serverEvents, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway({ KNARR_MAX_DOCUMENT_BYTES: '2000' });
});
afterAll(() => gateway.close());

const ask: TestGateway['ask'] = (...request) => gateway.ask(...request);
const path = (id: string) => `/v1/documents/${encodeURIComponent(id)}`;
/** A raw body with its media type. */
const raw = (body: string | Uint8Array<ArrayBuffer>, type: string) => ({
  body,
  headers: { 'content-type': type },
});

test('accepts a document durably and tells its state', async () => {
  const put = await ask('PUT', path('notes/1'), {
    text: 'A knarr is a ship.',
    title: 'Knarr',
    metadata: { year: 1030 },
  });
  expect(put.status).toBe(202);
  expect(put.headers.get('location')).toBe('/v1/documents/notes%2F1');
  expect(put.headers.get('server-timing')).toMatch(/^total;dur=/);
  expect(put.body).toEqual({
    id: 'notes/1',
    version: 1,
    state: 'accepted',
    collection: 'default',
    links: { self: '/v1/documents/notes%2F1', events: '/v1/documents/notes%2F1/events' },
  });
  const got = await ask('GET', put.body.links.self);
  expect(got).toMatchObject({
    status: 200,
    body: {
      id: 'notes/1',
      title: 'Knarr',
      metadata: { year: 1030 },
      acl: ['*'],
      chunks: 0,
      indexed_chunks: 0,
      error: null,
    },
  });
  const key = (await gateway.deps.documents.current('default', 'notes/1'))?.original ?? '';
  expect(Buffer.from((await gateway.deps.originals.get(key)) ?? []).toString()).toBe('A knarr is a ship.');
  await expect
    .poll(() => gateway.published.filter(({ subject }) => subject === 'notes/1'))
    .toMatchObject([{ type: 'dev.knarr.document.accepted.v1', tenant: 'default', data: { version: 1 } }]);
});

test('the same content again is a no-op, other content a new version', async () => {
  const send = (text: string) => ask('PUT', path('same'), { text });
  expect([await send('one'), await send('one'), await send('two')]).toMatchObject([
    { status: 202, body: { version: 1 } },
    { status: 200, body: { version: 1 } },
    { status: 202, body: { version: 2 } },
  ]);
});

test.each(['a b', '100%', 'ü/ö', '%2F', 'a?b#c', 'https://example.org/x?y=1', '..x', 'a+b', '🚢'])(
  'the id %s comes back as it was given',
  async (id) => {
    expect((await ask('PUT', path(id), { text: id })).body.id).toBe(id);
    expect((await ask('GET', path(id))).body.id).toBe(id);
    expect((await ask('DELETE', path(id))).status).toBe(202);
  },
);

test('takes raw, base64 and multipart content', async () => {
  const query = `?title=Raw&collection=other&acl=user:a&acl=*&metadata=${encodeURIComponent('{"k":"v"}')}`;
  expect(await ask('PUT', path('raw') + query, undefined, raw('# Raw', 'text/markdown'))).toMatchObject({
    status: 202,
  });
  expect((await ask('GET', path('raw'))).body).toMatchObject({
    title: 'Raw',
    collection: 'other',
    acl: ['user:a', '*'],
    metadata: { k: 'v' },
    content_type: 'text/markdown',
    bytes: 5,
  });
  const data = Buffer.from('%PDF-1.4 …').toString('base64');
  expect((await ask('PUT', path('data'), { data, content_type: 'application/pdf' })).status).toBe(202);
  expect((await ask('GET', path('data'))).body).toMatchObject({ content_type: 'application/pdf', bytes: 12 });
  const form = new FormData();
  form.set('file', new File(['# Form'], 'form.md'));
  form.set('title', 'Form');
  const encoded = new Request('http://localhost/', { method: 'POST', body: form });
  const body = new Uint8Array(await encoded.arrayBuffer());
  const posted = await ask(
    'POST',
    '/v1/documents',
    undefined,
    raw(body, encoded.headers.get('content-type') ?? ''),
  );
  expect(posted.status).toBe(202);
  expect((await ask('GET', posted.body.links.self)).body).toMatchObject({
    title: 'Form',
    content_type: 'text/markdown',
  });
});

test('an idempotency key accepts once', async () => {
  const post = (text: string) =>
    ask('POST', '/v1/documents', { text }, { headers: { 'idempotency-key': 'order-7' } });
  const first = await post('once');
  const again = await post('once');
  expect([first.status, again.status]).toEqual([202, 200]);
  expect(again.body.id).toBe(first.body.id);
  const conflict = { status: 409, body: { code: 'conflict' } };
  expect(await post('something else')).toMatchObject(conflict);
  const headers = { 'idempotency-key': 'order-8' };
  expect((await ask('PUT', path('first'), { text: 'the same' }, { headers })).status).toBe(202);
  expect((await ask('PUT', path('first'), { text: 'the same' }, { headers })).status).toBe(200);
  expect(await ask('PUT', path('second'), { text: 'the same' }, { headers })).toMatchObject(conflict);
});

test('a deleted document is gone, and says that it was deleted', async () => {
  await ask('PUT', path('gone'), { text: 'soon gone' });
  expect(await ask('DELETE', path('gone'))).toMatchObject({
    status: 202,
    body: { version: 2, state: 'deleted' },
  });
  expect(await ask('GET', path('gone'))).toMatchObject({
    status: 404,
    body: { state: 'deleted', version: 2 },
  });
  expect((await ask('DELETE', path('gone'))).status).toBe(404);
  expect((await ask('DELETE', path('never there'))).status).toBe(404);
  expect(await ask('PUT', path('gone'), { text: 'soon gone' })).toMatchObject({
    status: 202,
    body: { version: 3 },
  });
});

test('lists page by page', async () => {
  for (const n of [1, 2, 3]) await ask('PUT', path(`page-${n}`), { text: `${n}`, collection: 'paged' });
  const ids: string[] = [];
  let next = '';
  do {
    const { body } = await ask('GET', `/v1/documents?collection=paged&limit=2${next && `&cursor=${next}`}`);
    ids.push(...body.documents.map(({ id }: { id: string }) => id));
    next = body.next ?? '';
  } while (next);
  expect(ids).toEqual(['page-1', 'page-2', 'page-3']);
  expect((await ask('GET', '/v1/documents?collection=paged&state=indexed')).body.documents).toEqual([]);
  expect((await ask('GET', '/v1/collections')).body.collections).toContainEqual(
    expect.objectContaining({ collection: 'paged', documents: 3 }),
  );
});

test('follows a version until it has ended', async () => {
  await ask('PUT', path('followed'), { text: 'One chunk.' });
  const following = ask('GET', `${path('followed')}/events`);
  const ref = { tenant: 'default', document: 'followed', version: 1 };
  const chunk = { chunk: 0, text: 'One chunk.', start: 0, end: 10, headings: [], tokens: 3 };
  await gateway.deps.documents.saveChunks(ref, { title: null, chunks: [chunk] });
  await gateway.deps.documents.recordIndexed(ref, [0]);
  await gateway.deps.documents.complete(ref);
  const { headers, body } = await following;
  expect(headers.get('content-type')).toMatch(/^text\/event-stream/);
  const states = serverEvents(body).map(({ event, data }) => [event, (data as { state: string }).state]);
  expect(states.at(-1)).toEqual(['state', 'indexed']);
  expect((await ask('GET', `${path('nobody')}/events`)).status).toBe(404);
});

test('says what is wrong with a document', async () => {
  const bad = async (body: unknown, init?: RequestInit) => {
    const reply = await ask('PUT', path('bad'), body, init);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    return [reply.status, reply.body.detail];
  };
  expect(await bad({ text: '' })).toEqual([422, 'text: is empty.']);
  expect(await bad({ text: ' \n ' })).toEqual([422, 'text: is empty.']);
  expect(await bad({})).toEqual([400, 'The body is not valid: give exactly one of text, uri and data']);
  expect(await bad({ text: 'a', data: 'YQ==' })).toEqual([
    400,
    'The body is not valid: give exactly one of text, uri and data',
  ]);
  expect(await bad({ data: 'YQ==' })).toEqual([
    400,
    'The body is not valid: content_type: is needed with data',
  ]);
  expect(await bad({ data: 'YQ=', content_type: 'text/plain' })).toEqual([400, 'data: is not base64.']);
  expect(await bad({ data: '', content_type: 'text/plain' })).toEqual([422, 'The document is empty.']);
  expect(await bad({ text: 'a', colection: 'x' })).toEqual([400, expect.stringContaining('colection')]);
  expect(await bad({ text: 'a', title: 7 })).toEqual([400, expect.stringContaining('title: ')]);
  expect(await bad({ text: 'a', metadata: { a: { b: 1 } } })).toEqual([
    400,
    expect.stringContaining('metadata.a: '),
  ]);
  expect(await bad({ text: 'a', content_type: 'image/png' })).toEqual([
    415,
    expect.stringContaining('image/png'),
  ]);
  expect(await bad({ text: '\ud800' })).toEqual([400, 'text: holds half of a surrogate pair.']);
  expect(await bad({ uri: 'file:///etc/passwd' })).toEqual([400, expect.stringContaining('http or https')]);
  expect(await bad({ uri: 'http://127.0.0.1:1/' })).toEqual([
    403,
    expect.stringContaining('not a public address'),
  ]);
  expect(await bad({ text: 'x'.repeat(2001) })).toEqual([413, expect.stringContaining('2000 bytes')]);
  expect(await bad(undefined, raw('x'.repeat(2001), 'text/plain'))).toEqual([
    413,
    expect.stringContaining('2000 bytes'),
  ]);
  expect(await bad(undefined, raw('', 'text/plain'))).toEqual([422, 'The document is empty.']);
  expect(await bad(undefined, raw('x', 'application/x-www-form-urlencoded'))).toEqual([
    415,
    expect.any(String),
  ]);
  expect(await bad(undefined, raw('{"text": "a"', 'application/json'))).toEqual([
    400,
    'The body is not valid JSON.',
  ]);
  expect(await bad(undefined, raw('{"text":"a","__proto__":{}}', 'application/json'))).toEqual([
    400,
    expect.stringContaining('__proto__'),
  ]);
  expect(await bad(undefined, raw('['.repeat(1e5) + ']'.repeat(1e5), 'application/json'))).toEqual([
    400,
    expect.stringContaining('64 levels'),
  ]);
  expect(await bad(undefined, raw(Uint8Array.of(0x22, 0xff, 0x22), 'application/json'))).toEqual([
    400,
    'The body is not valid UTF-8.',
  ]);
  expect(await bad(undefined, raw('x', 'multipart/form-data; boundary=y'))).toEqual([
    400,
    expect.stringContaining('multipart'),
  ]);
  expect(await ask('GET', '/v1/documents/%FF')).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await ask('GET', '/v1/documents?limit=0')).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'limit' }] },
  });
  expect(await ask('GET', '/v1/documents?nonsense=1')).toMatchObject({ status: 400 });
  expect(await ask('PATCH', path('bad'))).toMatchObject({
    status: 405,
    body: { code: 'method_not_allowed' },
  });
  expect((await ask('PATCH', path('bad'))).headers.get('allow')).toBe('PUT, GET, DELETE');
  expect((await ask('GET', path('bad'))).status).toBe(404);
});

test('a body that announces no length is cut off while it streams', async () => {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1000;
      controller.enqueue(new Uint8Array(1000).fill(0x61));
    },
  });
  const endless = { body, duplex: 'half', headers: { 'content-type': 'text/plain' } } as RequestInit;
  expect((await ask('PUT', path('endless'), undefined, endless)).status).toBe(413);
  expect(sent).toBeLessThan(10_000);
});
