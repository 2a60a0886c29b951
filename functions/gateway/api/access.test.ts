import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudEvent, emit, toCloudEvent } from '../../_shared/events.ts';
import { writeBinary, writeStructured } from '../../_shared/runtime/cloudevents.ts';
import { type Ask, auditOf, deniedOf, type Guarded, openGuarded, submission } from '../auth/testing.ts';
import { type Reply, serverEvents } from '../testing.ts';

const later = () => new Promise((resolve) => setTimeout(resolve, 1100));

describe('with keys', () => {
  let guarded: Guarded;
  let reader: Ask;
  let writer: Ask;
  let admin: Ask;
  beforeAll(async () => {
    guarded = await openGuarded();
    ({ reader, writer, admin } = await guarded.roles());
  });
  afterAll(() => guarded?.gateway.close());

  test('a document is written by those who may read it, and its writer stays one of them', async () => {
    const ann = await guarded.caller('writer', { name: 'ann', principals: ['group:eng'] });
    const bob = await guarded.caller('writer', { name: 'bob' });
    await ann('PUT', '/v1/documents/plan', { text: 'secret plan', acl: ['group:eng'] });
    await ann('PUT', '/v1/documents/note', { text: 'for bob', acl: ['user:carl'] });
    expect((await ann('GET', '/v1/documents/plan')).body.acl).toEqual(['group:eng']);
    expect((await ann('GET', '/v1/documents/note')).body.acl).toEqual(['user:carl', 'user:ann']);
    const put = await bob('PUT', '/v1/documents/plan', { text: 'secret plan', acl: ['group:eng'] });
    expect(put).toMatchObject({ status: 403, body: { detail: 'This document id is not yours to write.' } });
    const batch = await bob('POST', '/v1/documents:batch', undefined, {
      body: '{"id":"plan","text":"mine"}\n{"id":"other","text":"mine"}\n',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(
      batch.body
        .trim()
        .split('\n')
        .map((line: string) => JSON.parse(line).status),
    ).toEqual([403, 202]);
    const [absent, hidden] = [
      await bob('DELETE', '/v1/documents/none'),
      await bob('DELETE', '/v1/documents/plan'),
    ];
    expect(hidden).toMatchObject({ status: 404, body: absent.body });
    for (const path of ['', '/events', '/versions']) {
      const [there, nowhere] = [
        await bob('GET', `/v1/documents/plan${path}`),
        await bob('GET', `/v1/documents/none${path}`),
      ];
      expect([there.status, there.body]).toEqual([404, nowhere.body]);
    }
    expect((await ann('GET', '/v1/documents/plan')).body.version).toBe(1);
    expect(await deniedOf(admin, '&target=plan')).toEqual({ 'forbidden document.put plan': 2 });
  });

  test('a stream ends when its document is closed to the one who follows', async () => {
    const owner = await guarded.caller('writer', { name: 'owner', principals: ['group:eng'] });
    await owner('PUT', '/v1/documents/closing', { text: 'open' });
    const following = reader('GET', '/v1/documents/closing/events');
    await later();
    await owner('PUT', '/v1/documents/closing', { text: 'closed', acl: ['group:eng'] });
    const events = serverEvents((await following).body);
    expect(events.map(({ event }) => event)).toEqual(['state', 'error']);
    expect(events[1]?.data).toMatchObject({ code: 'not_found', status: 404 });
    expect(JSON.stringify(events)).not.toContain('superseded');
  });

  test('idempotency keys are each writer’s own', async () => {
    const headers = { 'idempotency-key': 'k1' };
    const one = await writer('POST', '/v1/documents', { text: 'same' }, { headers });
    const again = await writer('POST', '/v1/documents', { text: 'same' }, { headers });
    expect(again.body.id).toBe(one.body.id);
    const other = await guarded.caller('writer', { name: 'other' });
    const theirs = await other('POST', '/v1/documents', { text: 'same' }, { headers });
    expect([theirs.status, theirs.body.id === one.body.id]).toEqual([202, false]);
    expect(
      (await other('POST', '/v1/documents', { text: 'else' }, { headers: { 'idempotency-key': 'k2' } }))
        .status,
    ).toBe(202);
  });

  test('a key for some collections sees no others', async () => {
    const scoped = await guarded.caller('writer', { name: 'scoped', collections: ['news'] });
    await writer('PUT', '/v1/documents/n1', { text: 'news', collection: 'news' });
    await writer('PUT', '/v1/documents/h1', { text: 'hr', collection: 'hr' });
    const ids = (reply: Reply) => reply.body.documents.map(({ id }: { id: string }) => id);
    expect(ids(await scoped('GET', '/v1/documents'))).toEqual(['n1']);
    expect((await scoped('GET', '/v1/collections')).body.collections).toMatchObject([{ collection: 'news' }]);
    expect((await scoped('GET', '/v1/documents/h1')).status).toBe(404);
    expect((await scoped('PUT', '/v1/documents/h2', { text: 'x', collection: 'hr' })).status).toBe(403);
    expect((await scoped('PUT', '/v1/documents/h1', { text: 'x', collection: 'news' })).status).toBe(403);
    expect((await scoped('DELETE', '/v1/documents/h1')).status).toBe(404);
    const absent = { status: 404, body: { code: 'unknown_collection' } };
    expect(await scoped('POST', '/v1/search', { query: 'x', collection: 'hr' })).toMatchObject(absent);
    expect(await scoped('POST', '/v1/rag', { question: 'x', collection: 'hr' })).toMatchObject(absent);
    expect(await scoped('POST', '/', { question: 'x', collection: 'hr' })).toMatchObject(absent);
    const event = { ...submission('e1'), data: { document: 'e1', text: 'x', collection: 'hr' } };
    expect((await scoped('POST', '/v1/events', undefined, writeStructured(event))).status).toBe(403);
  });

  test('an answer is its asker’s', async () => {
    const [ann, bob] = [
      await guarded.caller('reader', { name: 'ann' }),
      await guarded.caller('reader', { name: 'ann' }),
    ];
    await writer('PUT', '/v1/documents/open', { text: 'open' });
    const asked = await ann('POST', '/v1/rag', { question: 'x' }, { headers: { prefer: 'respond-async' } });
    expect(asked.status).toBe(202);
    const { self, events } = asked.body.links;
    expect((await ann('GET', self)).body.state).toBe('pending');
    // The same name, but another key.
    const none = await bob('GET', '/v1/queries/6d2e2ca4-5c1c-4f0e-8a52-1d9b3c4f5a60');
    for (const path of [self, events])
      expect(await bob('GET', path)).toMatchObject({ status: 404, body: none.body });
  });

  test('what is in a dead letter is for its readers; that there is one, for admins', async () => {
    const ann = await guarded.caller('writer', { name: 'ann', principals: ['group:eng'] });
    await ann('PUT', '/v1/documents/broken', { text: 'x', acl: ['group:eng'] });
    const data = { document: 'broken', version: 1, collection: 'default' };
    await guarded.gateway.deps.documents.addDeadLetter({
      id: 'letter',
      tenant: 'acme',
      event: toCloudEvent('ingest', emit('document.accepted', 'broken', data), { tenant: 'acme' }),
      code: 'unprocessable',
      message: 'broken',
      destination: '',
      receivedAt: new Date().toISOString(),
    });
    const count = async (ask: typeof ann) => (await ask('GET', '/v1/dead-letters')).body.dead_letters.length;
    expect([await count(ann), await count(reader), await count(admin)]).toEqual([1, 0, 1]);
    expect((await ann('GET', '/v1/dead-letters/letter')).body.event.data).toEqual(data);
    expect((await reader('GET', '/v1/dead-letters/letter')).status).toBe(404);
    expect((await admin('GET', '/v1/dead-letters/letter')).body.event).not.toHaveProperty('data');
    expect((await admin('POST', '/v1/dead-letters/letter/replay')).body).toEqual({ replayed: 1 });
    expect(await auditOf(admin, '?action=dead_letter.replay&target=letter')).toHaveLength(1);
    await guarded.gateway.deps.documents.addDeadLetter({
      id: 'submitted',
      tenant: 'acme',
      event: {
        ...submission('broken', { submitter: { actor: 'user:bob', principals: ['*'] } }),
        tenant: 'acme',
      },
      code: 'unprocessable',
      message: 'broken',
      destination: '',
      receivedAt: new Date().toISOString(),
    });
    expect((await ann('GET', '/v1/dead-letters/submitted')).body.event.data).toEqual({
      document: 'broken',
      text: 'A knarr is a ship.',
    });
  });

  test('a dead letter of a question shows what was asked, and nothing of what was found', async () => {
    const { documents } = guarded.gateway.deps;
    const { key: token, record } = await guarded.key('reader', { name: 'gus', principals: ['group:eng'] });
    const gus = (method: string, path: string) => guarded.ask(token, method, path);
    const text = 'The launch code is 4711.';
    await writer('PUT', '/v1/documents/closed', { text });
    const asked = {
      query: 'q',
      question: 'What is the launch code?',
      collection: 'default',
      mode: 'hybrid' as const,
      limit: 5,
      neighbours: 0,
      principals: ['*', 'user:gus', `key:${record.id}`, 'group:eng'],
      degraded: ['embed'],
      timings: { fetch: 2 },
    };
    const hit = { document: 'closed', version: 1, chunk: 0, score: 1 };
    const about = { title: 'Launch', uri: null, range: [0, 24], headings: [], metadata: {}, text };
    const passages = [{ ...hit, ...about, range: [0, 24] as [number, number] }];
    const result = {
      answer: text,
      answered: true,
      citations: [{ source: 0, start: 0, end: 24 }],
      model: 'extractive',
      degraded: [],
    };
    const said = [
      emit('query.embedded', 'q', { ...asked, vector: 'AAAA', model: 'm' }),
      emit('query.matched', 'q', { ...asked, hits: [hit] }),
      emit('query.grounded', 'q', { ...asked, passages }),
      emit('query.answered', 'q', { ...asked, passages, result }),
    ];
    const events = said.map((each) => toCloudEvent('fetch', each, { tenant: 'acme' }));
    // And one of a release to come.
    for (const event of [...events, { ...events[3], type: 'dev.knarr.query.answered.v2' } as CloudEvent]) {
      await documents.addDeadLetter({
        id: event.type,
        tenant: 'acme',
        event,
        code: 'unprocessable',
        message: 'The deadline had passed.',
        destination: '',
        receivedAt: new Date().toISOString(),
      });
      const shown = await gus('GET', `/v1/dead-letters/${event.type}`);
      expect(shown.body.event.data, event.type).toEqual(asked);
    }
    expect(JSON.stringify((await gus('GET', '/v1/dead-letters')).body)).not.toContain('4711');
    // What is said again is all that was said.
    expect((await admin('POST', `/v1/dead-letters/${events[2]?.type}/replay`)).body).toEqual({ replayed: 1 });
    const again = async () => guarded.gateway.published.find(({ subject }) => subject === 'q')?.data;
    await expect.poll(again, { timeout: 30_000 }).toEqual({ ...asked, passages });
  });

  test('events from outside reach the stage by /v1/events alone, with the rights of their sender', async () => {
    const { gateway, caller, ask } = guarded;
    const [ann, bob] = [await caller('writer', { name: 'ann' }), await caller('writer', { name: 'bob' })];
    for (const write of [writeBinary, writeStructured]) {
      for (const event of [submission('x'), { ...submission('x'), type: 'dev.knarr.query.answered.v1' }]) {
        for (const token of [undefined, (await guarded.key('admin')).key]) {
          const reply = await ask(token, 'POST', '/', undefined, write(event));
          expect(reply).toMatchObject({ status: 422, body: { code: 'forbidden' } });
        }
      }
    }
    await ann('PUT', '/v1/documents/anns', { text: 'mine', acl: ['user:ann'] });
    const claimed = { submitter: { actor: 'user:root', principals: ['user:ann'] } };
    const sent = await bob('POST', '/v1/events', undefined, writeStructured(submission('anns', claimed)));
    expect(sent.status).toBe(403);
    const deliver = (of: CloudEvent) => gateway.running.receive(of, new AbortController().signal);
    // So it is with what a producer inside the deployment says for somebody.
    const forBob = submission('anns', { submitter: { actor: 'user:bob', principals: ['*', 'user:bob'] } });
    await expect(deliver({ ...forBob, tenant: 'acme' })).rejects.toMatchObject({ code: 'forbidden' });
    expect((await ann('GET', '/v1/documents/anns')).body.version).toBe(1);
    // What it says for nobody has the rights of the tenant.
    await deliver({ ...submission('anns'), tenant: 'acme' });
  });
});
