import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Drift } from '../../_shared/contracts.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway();
});
afterAll(() => gateway?.close());
afterEach(() => {
  vi.useRealTimers();
});
const lastAudit = async () => (await gateway.ask('GET', '/v1/audit?limit=1')).body.entries[0];

test('a comparison that is not whole says how to go on, and the audit log that one went on', async () => {
  const found = {
    points: 500,
    chunks: 0,
    missing: 0,
    phantom: 1,
    duplicate: 0,
    wrong_hash: 0,
    repaired: true,
  };
  const asked: object[] = [];
  gateway.deps.reconcile = async (input): Promise<Drift> => {
    asked.push(input);
    return input.cursor === undefined ? { ...found, next: 'behind' } : { ...found, chunks: 500 };
  };
  const compare = (body: object) => gateway.ask('POST', '/v1/admin/reconcile', body);
  const first = await compare({});
  expect(first).toMatchObject({ status: 200, body: { phantom: 1, next: 'behind' } });
  expect(await lastAudit()).toMatchObject({
    action: 'store.reconcile',
    details: { repair: true, continued: false },
  });
  const last = await compare({ repair: false, cursor: first.body.next });
  expect(last.body).toEqual({ ...found, chunks: 500 });
  expect(asked).toEqual([
    { action: 'reconcile', repair: true },
    { action: 'reconcile', repair: false, cursor: 'behind' },
  ]);
  expect(await lastAudit()).toMatchObject({ details: { repair: false, continued: true } });
  expect((await compare({ cursor: 'x'.repeat(20_000) })).status).toBe(400);
});

test('a rebuild that takes longer than an answer says so, goes on when asked again, and by itself', async () => {
  const { documents } = gateway.deps;
  for (const id of ['a', 'b']) await gateway.ask('PUT', `/v1/documents/${id}`, { text: id });
  while ((await documents.outboxSize()) > 0) await sleep(5);
  const tenant = String(gateway.published[0]?.tenant);
  for (const document of ['a', 'b']) {
    const ref = { tenant, document, version: 1 };
    const chunk = { chunk: 0, text: document, start: 0, end: 1, headings: [], tokens: 1 };
    await documents.saveChunks(ref, { title: null, chunks: [chunk] });
    await documents.recordIndexed(ref, [0]);
    await documents.complete(ref);
  }
  const { goOnRebuilding } = documents;
  vi.useFakeTimers({ toFake: ['Date'] });
  documents.goOnRebuilding = async (of) => {
    vi.setSystemTime(Date.now() + 11_000);
    return goOnRebuilding(of, { documents: 1 });
  };
  const rebuild = () => gateway.ask('POST', '/v1/admin/rebuild', {});
  expect(await rebuild()).toMatchObject({ status: 202, body: { rebuilding: 1, more: true } });
  documents.goOnRebuilding = goOnRebuilding;
  vi.useRealTimers();
  expect((await rebuild()).body).toEqual({ rebuilding: 1 });
  expect(await lastAudit()).toMatchObject({ action: 'store.rebuild' });
  expect(await documents.goOnRebuilding()).toEqual({ sent: 0, waits: false, more: false });
});
