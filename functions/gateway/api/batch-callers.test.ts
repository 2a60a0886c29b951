import { afterAll, beforeAll, expect, test } from 'vitest';
import { BY, deniedOf, type Guarded, openGuarded } from '../auth/testing.ts';

let guarded: Guarded;
beforeAll(async () => {
  guarded = await openGuarded();
});
afterAll(() => guarded?.gateway.close());

/** A batch that is sent line by line; undefined: it has ended. */
async function openBatch(token: string) {
  let send: (line: string) => void = () => {};
  let end = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      send = (line) => controller.enqueue(Buffer.from(`${line}\n`));
      end = () => controller.close();
    },
  });
  const request = new Request('http://localhost/v1/documents:batch', {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
  } as RequestInit);
  const { body: answer } = await guarded.gateway.running.fetch(request);
  const reader = answer?.getReader();
  const read = async () => {
    const { value } = (await reader?.read()) ?? {};
    return value && JSON.parse(Buffer.from(value).toString());
  };
  return {
    end: () => end(),
    read,
    async put(id: string) {
      send(JSON.stringify({ id, text: 'A knarr is a ship.' }));
      return read();
    },
  };
}

test('a batch ends with the key that it was begun with', async () => {
  const admin = await guarded.caller('admin');
  const { key, record } = await guarded.key('writer', { name: 'crawler' });
  const batch = await openBatch(key);
  expect(await batch.put('before')).toMatchObject({ line: 1, status: 202 });
  await admin('DELETE', `/v1/admin/keys/${record.id}`);
  expect(await batch.put('after')).toEqual({
    line: 2,
    status: 401,
    error: expect.objectContaining({ code: 'unauthenticated', detail: 'The API key has been revoked.' }),
  });
  expect(await batch.read()).toBeUndefined();
  expect((await admin('GET', '/v1/documents/before')).status).toBe(200);
  expect((await admin('GET', '/v1/documents/after')).status).toBe(404);
  await guarded.gateway.deps.denials.flush();
  expect(await deniedOf(admin, `&actor=key:${record.id}`)).toEqual({ 'unauthenticated authenticate': 1 });
});

test('a line is written by whoever its token stands for by then', async () => {
  const admin = await guarded.caller('admin', { tenant: 'globex' });
  const { authenticator } = guarded.gateway.deps;
  if (!authenticator) throw new Error('The test needs authentication.');
  const { key, record } = await guarded.key('writer', { tenant: 'globex', name: 'ann' });
  const batch = await openBatch(key);
  expect(await batch.put('as-writer')).toMatchObject({ status: 202 });
  const { verify } = authenticator;
  authenticator.verify = async (request) => {
    const verified = await verify(request);
    return verified.refusal || verified.identity.actor !== `key:${record.id}`
      ? verified
      : { ...verified, identity: { ...verified.identity, role: 'reader' } };
  };
  const refused = { status: 403, error: { code: 'forbidden', detail: 'This needs the role writer.' } };
  expect(await batch.put('as-reader')).toMatchObject(refused);
  authenticator.verify = verify;
  expect(await batch.put('as-writer-again')).toMatchObject({ line: 3, status: 202 });
  batch.end();
  expect(await batch.read()).toBeUndefined();
  await guarded.gateway.deps.denials.flush();
  expect(await deniedOf(admin, `&actor=key:${record.id}`)).toEqual({
    'forbidden POST /v1/documents:batch': 1,
  });
});

test('a line counts as a request of its tenant, the first one with its batch', async () => {
  const quota = { documents: null, bytes: null, requestsPerSecond: 0.1, questions: null };
  await guarded.gateway.deps.access.setQuota('slow', quota, BY);
  const { key } = await guarded.key('writer', { tenant: 'slow' });
  const batch = await openBatch(key);
  expect(await batch.put('a')).toMatchObject({ status: 202 });
  const tooFast = { status: 429, error: { code: 'too_many_requests' } };
  expect(await batch.put('b')).toMatchObject(tooFast);
  const again = await batch.put('c');
  expect(again).toMatchObject(tooFast);
  expect(again.retry_after).toBeGreaterThan(0);
  expect(again.retry_after).toBeLessThanOrEqual(10);
  batch.end();
  expect(await batch.read()).toBeUndefined();
});
