import { afterAll, beforeAll, expect, test } from 'vitest';
import { emit, toCloudEvent } from '../../_shared/events.ts';
import { writeBinary, writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';
import { describeApi } from './app.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway();
});
afterAll(() => gateway.close());
const ask: TestGateway['ask'] = (...request) => gateway.ask(...request);

const submitted = (document: string, data: object = { text: 'A knarr is a ship.' }) => ({
  specversion: '1.0' as const,
  id: `submit-${document}`,
  source: 'https://example.org/wiki',
  type: 'dev.knarr.document.submitted.v1',
  datacontenttype: 'application/json',
  tenant: 'somebody-else',
  knativeerrorcode: '500',
  data: { document, ...data },
});

test.each([
  ['binary', writeBinary],
  ['structured', writeStructured],
])('takes %s events from outside, for the tenant of the caller', async (mode, write) => {
  const { body, headers } = write(submitted(mode));
  expect(await ask('POST', '/v1/events', undefined, { body, headers })).toMatchObject({
    status: 202,
    body: { id: `submit-${mode}`, document: mode, version: 1 },
  });
  expect((await ask('GET', `/v1/documents/${mode}`)).status).toBe(200);
  const again = await ask('POST', '/v1/events', undefined, { body, headers });
  expect(again).toMatchObject({ status: 202, body: { version: 1 } });
});

test('an event that was acknowledged needs no broker', async () => {
  gateway.refusing(true);
  const { body, headers } = writeBinary(submitted('kept'));
  expect((await ask('POST', '/v1/events', undefined, { body, headers })).status).toBe(202);
  expect((await ask('GET', '/v1/documents/kept')).body.state).toBe('accepted');
  gateway.refusing(false);
});

test('refuses events that only stages may send, and malformed ones', async () => {
  const send = async (event: ReturnType<typeof submitted>) => {
    const reply = await ask('POST', '/v1/events', undefined, writeStructured(event));
    return [reply.status, reply.body.code];
  };
  expect(await send({ ...submitted('x'), type: 'dev.knarr.document.accepted.v1' })).toEqual([
    403,
    'forbidden',
  ]);
  expect(await send({ ...submitted('x'), type: 'com.example.thing' })).toEqual([403, 'forbidden']);
  expect(await send(submitted('x', { metadata: 7 }))).toEqual([400, 'invalid_request']);
  expect(await send(submitted('x', { text: 'x'.repeat(70_000) }))).toEqual([413, 'too_large']);
  expect(await ask('POST', '/v1/events', { document: 'x' })).toMatchObject({
    status: 400,
    body: { code: 'malformed_event' },
  });
});

test('a submitted document is accepted once, however often it is delivered', async () => {
  const deliver = (data?: object) =>
    gateway.running.receive({ ...submitted('wiki', data), tenant: 'default' }, new AbortController().signal);
  await deliver();
  await ask('PUT', '/v1/documents/wiki', { text: 'Newer.' });
  await deliver();
  expect((await ask('GET', '/v1/documents/wiki')).body).toMatchObject({ version: 2, bytes: 6 });
  await expect(deliver({ text: 'a', uri: 'https://example.org' })).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('lists dead letters without, and shows them with, what they carried', async () => {
  await ask('PUT', '/v1/documents/d', { text: 'A knarr is a ship.' });
  const event = toCloudEvent(
    'ingest',
    emit('document.accepted', 'd', { document: 'd', version: 1, collection: 'default' }),
    {
      tenant: 'default',
    },
  );
  const letter = {
    id: 'l/1',
    tenant: 'default',
    event,
    code: '422',
    message: 'broken',
    destination: 'http://ingest',
  };
  await gateway.deps.documents.addDeadLetter({ ...letter, receivedAt: '2026-01-02T03:04:05.000Z' });
  const { body } = await ask('GET', '/v1/dead-letters?limit=1');
  const { data, ...bare } = event;
  const shown = {
    id: 'l/1',
    code: '422',
    message: 'broken',
    destination: 'http://ingest',
    received_at: '2026-01-02T03:04:05.000Z',
    attempts: 1,
  };
  expect(body).toEqual({ dead_letters: [{ ...shown, event: bare }] });
  expect((await ask('GET', '/v1/dead-letters/l%2F1')).body).toEqual({ ...shown, event: { ...bare, data } });
  expect((await ask('GET', '/v1/dead-letters/none')).status).toBe(404);
  expect((await ask('GET', '/v1/dead-letters?cursor=nonsense')).status).toBe(400);
});

test('documents itself, offline', async () => {
  const { body: document } = await ask('GET', '/openapi.json');
  expect(document).toEqual(JSON.parse(JSON.stringify(describeApi())));
  expect(document.openapi).toBe('3.1.0');
  const text = JSON.stringify(document);
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    expect(document.components.schemas, name).toHaveProperty(name ?? '');
  }
  expect(document.components.schemas.Question.properties).toMatchObject({
    question: { maxLength: 8192 },
    limit: { default: 5, minimum: 1, maximum: 100 },
    filter: { $ref: '#/components/schemas/Filter' },
  });
  const { pattern } = document.components.schemas.Accepted.properties.id;
  expect(new RegExp(pattern, 'u').test('a/b')).toBe(true);

  expect((await ask('GET', '/asyncapi.json')).body).toMatchObject({
    asyncapi: '3.0.0',
    channels: { 'document.submitted': { address: 'dev.knarr.document.submitted.v1' } },
  });

  const docs = await ask('GET', '/docs');
  expect(docs.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(docs.body.replace('<script src="/pages.js" defer>', '')).not.toMatch(
    /<script|src=|@import|url\(|href="http/,
  );
  for (const path of Object.keys(document.paths)) expect(docs.body).toContain(`<code>${path}</code>`);
  for (const [, id] of docs.body.matchAll(/href="#([^"]+)"/g)) expect(docs.body, id).toContain(`id="${id}"`);
  expect((await ask('GET', '/')).body).toContain('curl http://localhost/rag');
});

test('pages of other origins and other names of this machine are refused', async () => {
  const from = (headers: Record<string, string>) => ask('PUT', '/v1/documents/x', { text: 'x' }, { headers });
  expect((await from({ host: 'localhost:8080' })).status).toBe(202);
  expect((await from({ host: 'knarr.example:8080' })).status).toBe(403);
  expect((await from({ host: 'localhost:8080', origin: 'https://example.org' })).status).toBe(403);
  expect((await ask('POST', '/', { question: 'x' }, { headers: { host: 'knarr.example' } })).status).toBe(
    403,
  );
  expect(
    (await ask('GET', '/health/liveness', undefined, { headers: { host: '10.0.0.7:8080' } })).status,
  ).toBe(200);
});

test('a path that is there with another method is told which it has', async () => {
  const start = await ask('DELETE', '/');
  expect([start.status, start.headers.get('allow')?.split(', ').toSorted()]).toEqual([
    405,
    ['GET', 'OPTIONS', 'POST'],
  ]);
  expect((await ask('PATCH', '/v1/search')).headers.get('allow')).toBe('POST');
});

test('at shutdown streams end and new work is refused', async () => {
  await ask('PUT', '/v1/documents/followed', { text: 'never indexed' });
  const following = ask('GET', '/v1/documents/followed/events');
  gateway.running.drain();
  expect((await following).status).toBe(200);
  expect((await ask('GET', '/v1/documents')).status).toBe(503);
});
