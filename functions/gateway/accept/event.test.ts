import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';

/** What a URI holds, and how often it was read. */
const page = { text: '', status: 200, reads: 0 };
let server: Server;
let gateway: TestGateway;
beforeAll(async () => {
  server = createServer((_, response) => {
    page.reads++;
    response.writeHead(page.status, { 'content-type': 'text/plain' }).end(page.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  gateway = await openTestGateway({ KNARR_URI_ALLOW: '127.0.0.1', KNARR_QUOTA_DOCUMENTS: '100' });
});
afterAll(async () => {
  await gateway?.close();
  server?.close();
});
beforeEach(() => {
  Object.assign(page, { text: 'A knarr is a ship.', status: 200, reads: 0 });
});

let events = 0;
const submitted = (document: string, data: object, more: object = {}) => ({
  specversion: '1.0' as const,
  id: `event-${++events}`,
  source: 'https://example.org/wiki',
  type: 'dev.knarr.document.submitted.v1',
  datacontenttype: 'application/json',
  tenant: 'default',
  data: { document, ...data },
  ...more,
});
const uri = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/page.txt`;
const deliver = (event: ReturnType<typeof submitted>) =>
  gateway.running.receive(event, AbortSignal.timeout(10_000));
const send = (event: ReturnType<typeof submitted>) =>
  gateway.ask('POST', '/v1/events', undefined, writeStructured(event));
const shown = async (document: string) => (await gateway.ask('GET', `/v1/documents/${document}`)).body;

describe('the same event again', () => {
  test('reads nothing and changes nothing, whatever its URI holds by then', async () => {
    const event = submitted('page', { uri: uri() });
    await deliver(event);
    for (const status of [200, 404]) {
      Object.assign(page, { text: 'A dhow is a ship, too.', status });
      await deliver(event);
    }
    expect(page.reads).toBe(1);
    expect(await shown('page')).toMatchObject({ version: 1, bytes: 18 });
    page.status = 200;
    await deliver({ ...event, id: 'another' });
    expect(await shown('page')).toMatchObject({ version: 2, bytes: 22 });
  });

  test('many at once, with content that changes from one reading to the next, is accepted once', async () => {
    const event = submitted('busy', { uri: uri() });
    await Promise.all(
      Array.from({ length: 5 }, (_, i) => {
        page.text += i;
        return deliver(event);
      }),
    );
    expect(await shown('busy')).toMatchObject({ version: 1 });
  });

  test('is answered with what came of the first, from outside too', async () => {
    const event = submitted('outside', { uri: uri() });
    expect(await send(event)).toMatchObject({ status: 202, body: { document: 'outside', version: 1 } });
    page.text = 'Something else.';
    expect(await send(event)).toMatchObject({ status: 202, body: { document: 'outside', version: 1 } });
    expect(page.reads).toBe(1);
  });

  test('is not the same from another writer', async () => {
    const event = submitted('both', { text: 'one' });
    await deliver(event);
    const data = { document: 'both', text: 'two' };
    expect(await send({ ...event, data })).toMatchObject({ status: 202, body: { version: 2 } });
  });
});

test('a document is updated by events though its tenant has no room for another', async () => {
  const tenant = 'full';
  const none = { documents: null, bytes: null, requestsPerSecond: null, questions: null };
  await gateway.deps.access.setQuota(tenant, { ...none, documents: 2, bytes: 20 }, { actor: 'test' });
  const put = (document: string, text: string, more: object = {}) =>
    deliver(submitted(document, { text, acl: ['user:ann'], ...more }, { tenant }));
  await put('a', '0123456789');
  await put('b', '0123456789');
  await put('a', '9876543210');
  expect(await gateway.deps.access.usage(tenant)).toMatchObject({ documents: 2, bytes: 20 });
  const full = { code: 'too_many_requests' };
  await expect(put('c', 'x')).rejects.toMatchObject(full);
  await expect(put('a', '0123456789+')).rejects.toMatchObject(full);
  expect(await gateway.deps.documents.current(tenant, 'a')).toMatchObject({ version: 2, bytes: 10 });
});
