import { afterAll, beforeAll, expect, test } from 'vitest';
import { emit } from '../_shared/events.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { StoredChunk } from '../_shared/stores/documents/records.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { chunksOf, FOUND, NONE, openTestRecover, pointOf, scope, type TestRecover } from './testing.ts';

let recover: TestRecover;
let documents: DocumentStore;
let vectors: VectorStore;
beforeAll(async () => {
  recover = await openTestRecover();
  ({ documents, vectors } = recover);
});
afterAll(() => recover?.close());

test('stores in step show no drift, nor does a version under way', async () => {
  await recover.indexed('a', ['one', 'two']);
  await recover.indexed('b', ['three']);
  await documents.accept({
    ...{ tenant: 'acme', document: 'b', collection: 'default', generation: scope.generation, title: null },
    ...{ uri: null, contentType: 'text/plain', contentHash: 'new', bytes: 1, original: 'acme/new' },
    ...{ metadata: {}, acl: ['*'] },
  });
  expect(await recover.reconcile(false)).toEqual({ ...NONE, points: 3, chunks: 2, repaired: false });
  await recover.indexed('b', ['newer']);
  await recover.outbox();
});

test('a lost point is missed and its document sent off again', async () => {
  const [, second] = (await recover.indexed('a', ['one', 'two'])) as [Point, Point];
  await recover.outbox();
  await vectors.removePoints(scope, [second.id]);
  expect(await recover.reconcile(false)).toMatchObject({ ...NONE, missing: 1 });
  expect(await recover.outbox()).toEqual([]);
  expect(await recover.reconcile(true)).toMatchObject({ missing: 1 });
  expect(await recover.outbox()).toEqual([
    emit('document.accepted', 'a', { document: 'a', version: 1, collection: 'default', again: true }),
  ]);
  expect(await recover.metrics.text()).toMatch(/knarr_vector_store_drift\{[^}]*kind="missing"[^}]*\} 1/);
  await vectors.upsert(scope, [second]);
  expect(await recover.reconcile(true)).toMatchObject(NONE);
});

test('points of nothing, of older versions and of failed ones are taken away', async () => {
  await recover.indexed('c', ['old']);
  await recover.indexed('c', ['new']);
  const [chunk] = chunksOf(['old']) as [StoredChunk];
  await vectors.upsert(scope, [pointOf('c', 1, chunk), pointOf('nowhere', 1, chunk)]);
  expect(await recover.reconcile(true)).toMatchObject({ ...NONE, phantom: 2 });
  expect(await recover.reconcile(true)).toMatchObject(NONE);
  expect(await vectors.count(scope)).toBe(4);
});

test('a second point of a chunk goes, the first stays', async () => {
  const [point] = (await recover.indexed('d', ['once'])) as [Point];
  await vectors.upsert(scope, [{ ...point, id: '00000000-0000-4000-8000-000000000000' }]);
  expect(await recover.reconcile(true)).toMatchObject({ ...NONE, duplicate: 1 });
  expect(await vectors.present(scope, [point.id])).toEqual(new Set([point.id]));
  expect(await recover.reconcile(true)).toMatchObject(NONE);
});

test('a point of another text is made again', async () => {
  const [point] = (await recover.indexed('e', ['right'])) as [Point];
  await recover.outbox();
  await vectors.upsert(scope, [{ ...point, text: 'wrong' }]);
  expect(await recover.reconcile(true)).toMatchObject({ wrong_hash: 1 });
  expect(await recover.outbox()).toMatchObject([{ subject: 'e', data: { version: 1 } }]);
  await vectors.upsert(scope, [point]);
});

test('for want of time it answers with a part, and the parts come to the whole', async () => {
  await recover.drifted();
  const whole = await recover.reconcile(false);
  expect(whole).toMatchObject(FOUND);
  expect(whole.next).toBeUndefined();
  await recover.bitByBit(async () => {
    let calls = 1;
    let drift = await recover.reconcile(false);
    for (; drift.next !== undefined; calls++) drift = await recover.reconcile(false, drift.next);
    expect(drift).toEqual(whole);
    expect(calls).toBeGreaterThan(whole.points + whole.chunks);
  });
  for (const cursor of ['', 'x', Buffer.from('["{}"]').toString('base64url')]) {
    await expect(recover.reconcile(false, cursor)).rejects.toMatchObject({ code: 'invalid_request' });
  }
});
