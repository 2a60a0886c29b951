import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { emit, toCloudEvent } from '../../_shared/events.ts';
import { type Ask, auditOf, type Guarded, openGuarded } from '../auth/testing.ts';

const DRIFT = { points: 0, chunks: 0, missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0, repaired: true };

/** What an admin does while the audit log takes nothing is not done; afterwards both are there. */
describe('an act and its entry are one', () => {
  let guarded: Guarded;
  let admin: Ask;
  let tenant: string;
  let tenants = 0;
  let compared = 0;
  beforeAll(async () => {
    guarded = await openGuarded({ KNARR_OPERATOR_TENANT: 'house' });
    guarded.gateway.deps.reconcile = async () => {
      compared++;
      return DRIFT;
    };
  });
  afterAll(() => guarded?.gateway.close());
  beforeEach(async () => {
    tenant = `acts-${++tenants}`;
    admin = await guarded.caller('admin', { tenant });
  });

  async function withoutLog<T>(act: () => Promise<T>): Promise<T> {
    const { access } = guarded.gateway.deps;
    const { audit } = access;
    access.audit = async () => {
      throw new Error('The audit log takes nothing.');
    };
    try {
      return await act();
    } finally {
      access.audit = audit;
    }
  }

  async function addLetters(...ids: string[]) {
    for (const id of ids) {
      const data = { query: id, question: 'x', collection: 'default', principals: ['*'] } as never;
      await guarded.gateway.deps.documents.addDeadLetter({
        id,
        tenant,
        event: toCloudEvent('gateway', emit('query.asked', id, data), { tenant }),
        code: 'unavailable',
        message: 'x',
        destination: '',
        receivedAt: new Date().toISOString(),
      });
    }
  }
  const waiting = async () =>
    (await admin('GET', '/v1/dead-letters')).body.dead_letters.map(({ id }: { id: string }) => id).sort();
  const said = (id: string) => guarded.gateway.published.some(({ subject }) => subject === id);

  test('replaying a dead letter', async () => {
    await addLetters('one');
    const replay = () => admin('POST', '/v1/dead-letters/one/replay');
    expect((await withoutLog(replay)).status).toBe(500);
    expect(await waiting()).toEqual(['one']);
    expect((await replay()).body).toEqual({ replayed: 1 });
    await expect.poll(() => said('one'), { timeout: 30_000 }).toBe(true);
    expect((await replay()).status).toBe(404);
    expect(await auditOf(admin, '?action=dead_letter.replay')).toMatchObject([{ target: 'one' }]);
  });

  test('replaying dead letters, each of them', async () => {
    await addLetters('a', 'b', 'c');
    const replay = (body: object) => admin('POST', '/v1/dead-letters:replay', body);
    expect((await withoutLog(() => replay({}))).status).toBe(500);
    expect(await waiting()).toEqual(['a', 'b', 'c']);
    expect((await replay({ limit: 2 })).body).toEqual({ replayed: 2 });
    expect(await waiting()).toEqual(['c']);
    const entries = await auditOf(admin, '?action=dead_letter.replay');
    expect(entries).toMatchObject([{ target: 'b' }, { target: 'a' }]);
  });

  test('rebuilding', async () => {
    const { documents } = guarded.gateway.deps;
    await admin('PUT', '/v1/documents/d', { text: 'x' });
    const ref = { tenant, document: 'd', version: 1 };
    const chunk = { chunk: 0, text: 'x', start: 0, end: 1, headings: [], tokens: 1 };
    await documents.saveChunks(ref, { title: null, chunks: [chunk] });
    await documents.recordIndexed(ref, [0]);
    await documents.complete(ref);
    const rebuild = () => admin('POST', '/v1/admin/rebuild', { collection: 'default' });
    const { goOnRebuilding } = documents;
    documents.goOnRebuilding = async () => ({ sent: 0, waits: true, more: true });
    expect((await withoutLog(rebuild)).status).toBe(500);
    documents.goOnRebuilding = goOnRebuilding;
    expect(await documents.goOnRebuilding({ tenant })).toMatchObject({ sent: 0 });
    expect(await auditOf(admin, '?action=store.rebuild')).toEqual([]);
    expect((await rebuild()).body).toEqual({ rebuilding: 1 });
    expect(await auditOf(admin, '?action=store.rebuild')).toMatchObject([
      { details: { collection: 'default' } },
    ]);
  });

  test('comparing', async () => {
    const operator = await guarded.caller('admin', { tenant: 'house' });
    const compare = (body: object) => operator('POST', '/v1/admin/reconcile', body);
    expect((await withoutLog(() => compare({}))).status).toBe(500);
    expect(compared).toBe(0);
    expect((await compare({ repair: false, cursor: 'there' })).body).toEqual(DRIFT);
    expect(await auditOf(operator, '?action=store.reconcile')).toMatchObject([
      { details: { repair: false, continued: true } },
    ]);
  });
});
