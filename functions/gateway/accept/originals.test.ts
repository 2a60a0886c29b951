import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { faultyProxy } from '../../../test/support/faulty-proxy.ts';
import { s3Missing, startS3 } from '../../../test/support/s3.ts';
import type { DocumentStore } from '../../_shared/stores/documents/port.ts';
import type { OriginalStore } from '../../_shared/stores/originals/port.ts';
import { s3Originals } from '../../_shared/stores/originals/s3/store.ts';
import { type Guarded, openGuarded } from '../auth/testing.ts';

let guarded: Guarded;
let acme: Awaited<ReturnType<Guarded['caller']>>;
let whole: { documents: DocumentStore; originals: OriginalStore };
beforeAll(async () => {
  guarded = await openGuarded({ KNARR_MAX_WRITES: '2' });
  acme = await guarded.caller('writer', { tenant: 'acme' });
  const { documents, originals } = guarded.gateway.deps;
  whole = { documents, originals };
});
afterEach(() => void Object.assign(guarded.gateway.deps, whole));
afterAll(() => guarded?.gateway.close());

const put = (document: string, text: string, by = acme) => by('PUT', `/v1/documents/${document}`, { text });
const remove = (document: string) => acme('DELETE', `/v1/documents/${document}`);
const originalOf = async (document: string) =>
  (await whole.documents.current('acme', document))?.original ?? '';
/** However busy this machine is. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 });
const everything = { olderThanMs: -1000, limit: 100 };

/** What waits for it, and how it ends. */
function gate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const missing = s3Missing();
test.skipIf(missing)(
  `a removal that takes effect late takes no original from a document accepted meanwhile${missing ? `: ${missing}` : ''}`,
  async () => {
    const { documents } = whole;
    const server = await startS3();
    const proxy = await faultyProxy(server.endpoint);
    try {
      await server.createBucket('kept');
      const originals = s3Originals({
        ...{ endpoint: proxy.url, bucket: 'kept', region: 'us-east-1', prefix: '' },
        ...{ accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
        ...{ timeoutMs: 60_000, maxBytes: 1_000_000 },
      });
      guarded.gateway.deps.originals = originals;
      const text = 'A knarr is a ship.';
      expect((await put('ship', text)).status).toBe(202);
      expect((await remove('ship')).status).toBe(202);

      proxy.plan.push('held');
      const patience = gate();
      const giveUp = patience.passed.then(() => {
        throw new Error('given up');
      });
      const purge = documents.purgeOriginals(everything, (key) =>
        Promise.race([originals.delete(key), giveUp]),
      );
      const given = expect(purge).rejects.toThrow('given up');
      await soon(() => proxy.seen.at(-1)).toMatch(/^DELETE /);
      patience.open();
      await given;

      expect((await put('ship', text)).status).toBe(202);
      await proxy.release();
      expect(String(await originals.get(await originalOf('ship')))).toBe(text);
      expect(await documents.purgeOriginals(everything, originals.delete)).toBe(1);
      expect(await documents.purgeOriginals(everything, originals.delete)).toBe(0);
      expect(String(await originals.get(await originalOf('ship')))).toBe(text);
      await remove('ship');
      expect(await documents.purgeOriginals(everything, originals.delete)).toBe(1);
    } finally {
      await proxy.close();
      await server.stop();
    }
  },
);

test('an original that was purged while it was put is put again before its document is accepted', async () => {
  const { documents, originals } = whole;
  guarded.gateway.deps.originals = {
    ...originals,
    async put(...given) {
      await originals.put(...given);
      await documents.purgeOriginals(everything, originals.delete);
    },
  };
  expect(await put('slow', 'It took long.')).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  guarded.gateway.deps.originals = originals;
  expect((await put('slow', 'It took long.')).status).toBe(202);
  expect(String(await originals.get(await originalOf('slow')))).toBe('It took long.');
});

test('documents are deleted while writes hang in the store of originals; so many at once, and no more', async () => {
  const { deps } = guarded.gateway;
  const { documents, originals } = whole;
  const globex = await guarded.caller('writer', { tenant: 'globex' });
  for (const id of ['a', 'b', 'c', 'd']) expect((await put(id, id)).status).toBe(202);
  const store = gate();
  let hanging = 0;
  deps.originals = {
    ...originals,
    async put(...given) {
      hanging++;
      await store.passed;
      await originals.put(...given);
    },
  };
  const writes = [put('x', 'x'), put('y', 'y', globex)];
  await soon(() => hanging).toBe(2);
  expect((await put('z', 'z')).status).toBe(429);
  expect((await remove('a')).status).toBe(202);

  let removing = 0;
  deps.documents = {
    ...documents,
    async remove(...given) {
      removing++;
      await store.passed;
      return documents.remove(...given);
    },
  };
  const deletions = [remove('b'), remove('c')];
  await soon(() => removing).toBe(2);
  expect((await remove('d')).status).toBe(429);
  store.open();
  const ended = await Promise.all([...writes, ...deletions]);
  expect(ended.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
});
