import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import { FOUND, NONE, openTestRecover, type TestRecover } from './testing.ts';

let recover: TestRecover;
let documents: DocumentStore;
beforeAll(async () => {
  recover = await openTestRecover();
  ({ documents } = recover);
});
afterAll(() => recover?.close());

const tick = async (task: Parameters<TestRecover['fire']>[0]) => expect(await recover.fire(task)).toEqual([]);
const missing = 'knarr_vector_store_drift\\{[^}]*kind="missing"[^}]*\\}';

test('ticks go on where the one before stopped, repair everything, and begin anew after the end', async () => {
  await recover.drifted();
  const before = await documents.lastComparison();
  await recover.bitByBit(async () => {
    await tick('resume');
    expect(await documents.claimComparison({ begin: false, claimMs: 0 })).toBeUndefined();
    await tick('reconcile');
    let ticks = 1;
    for (; (await documents.lastComparison())?.at.getTime() === before?.at.getTime(); ticks++) {
      // Both kinds go on; neither begins while one is unfinished.
      await tick(ticks % 2 === 0 ? 'reconcile' : 'resume');
      expect(ticks).toBeLessThan(500);
    }
    const last = await documents.lastComparison();
    // The point of another text was taken away, and is missed by then.
    expect(last?.drift).toMatchObject({ ...FOUND, missing: 2, repaired: true });
    expect(ticks).toBeGreaterThan((last?.drift?.points ?? 0) + (last?.drift?.chunks ?? 0));
    expect(await recover.gauge(missing)).toBe(2);
    expect(await recover.gauge('knarr_vector_store_compared_timestamp_seconds')).toBeCloseTo(
      (last?.at.getTime() ?? 0) / 1000,
      2,
    );
  });
  expect((await recover.outbox()).map(({ subject }) => subject).sort()).toEqual(['f', 'g']);
  await tick('resume');
  expect(await documents.claimComparison({ begin: false, claimMs: 0 })).toBeUndefined();
  await tick('reconcile');
  expect((await documents.lastComparison())?.drift).toMatchObject({ phantom: 0, wrong_hash: 0 });
});

test('a tick that was killed is gone on from, by one at a time, and shows no half result', async () => {
  await recover.drifted();
  const before = await documents.lastComparison();
  await recover.bitByBit(async () => {
    for (let page = 0; page < 3; page++) await tick('reconcile');
    const killed = await documents.claimComparison({ begin: false, claimMs: 60_000 });
    expect(killed?.cursor).toBeDefined();
    await tick('resume');
    await tick('reconcile');
    expect(
      await documents.keepComparison('00000000-0000-4000-8000-000000000000', { cursor: 'x', claimMs: 0 }),
    ).toBe(false);
    // Nobody has gone on meanwhile; then its claim is over.
    const { claim = '', cursor } = killed ?? {};
    expect(await documents.keepComparison(claim, { cursor, claimMs: 0 })).toBe(true);
    expect(await documents.lastComparison()).toEqual(before);
  });
  await tick('resume');
  expect((await documents.lastComparison())?.drift).toMatchObject({ ...FOUND, missing: 2 });
});

test('a tick begins anew where another release has left a place that this one cannot read', async () => {
  await recover.drifted();
  const claimed = await documents.claimComparison({ begin: true, claimMs: 60_000 });
  await documents.keepComparison(claimed?.claim ?? '', { cursor: 'of another release', claimMs: 0 });
  await tick('resume');
  expect((await documents.lastComparison())?.drift).toMatchObject({ ...FOUND, missing: 2 });
});

test('a rebuild that nobody goes on with is ended by ticks', async () => {
  await recover.indexed('r', ['one']);
  await recover.outbox();
  await documents.beginRebuild({ tenant: 'acme', generation: 'model.4.c64o0' });
  expect(await documents.activeIndex('acme', 'default')).toMatchObject({ rebuilding: true });
  await recover.outbox();
  await tick('sweep');
  await tick('reconcile');
  expect((await recover.outbox()).filter(({ data }) => 'afresh' in data)).toEqual([]);
  await recover.bitByBit(() => tick('resume'));
  const sent = (await recover.outbox()).map(({ subject }) => subject).sort();
  expect(sent).toContain('r');
  expect(await documents.version({ tenant: 'acme', document: 'r', version: 1 })).toMatchObject({
    state: 'accepted',
    generation: 'model.4.c64o0',
  });
  await tick('resume');
  expect(await documents.goOnRebuilding()).toEqual({ sent: 0, waits: false, more: false });
  expect(await recover.outbox()).toEqual([]);
  // What waits to be built anew is no drift, and neither are its old points.
  expect(await recover.reconcile(false)).toMatchObject({ ...NONE, chunks: 0 });
});
