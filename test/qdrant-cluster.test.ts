import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkReplicas } from '../functions/_local/cluster/qdrant.ts';
import { pointId } from '../functions/_shared/ids.ts';
import { mulberry32 } from '../functions/_shared/random.ts';
import type { Point, VectorScope, VectorStore } from '../functions/_shared/stores/vectors/port.ts';
import { openQdrantVectors } from '../functions/_shared/stores/vectors/qdrant/store.ts';
import { freePort } from './support/ports.ts';
import { qdrantProgramMissing, qdrantSettings, startQdrant, type TestQdrant } from './support/qdrant.ts';

const NODES = 3;
const WRITERS = 6;
const CHUNKS = 4;
/** Nodes killed, one after another. */
const KILLS = Number(process.env.KNARR_TEST_QDRANT_KILLS ?? 3);
/** Documents acknowledged before a kill, and again while the node is away. */
const DOCUMENTS = Number(process.env.KNARR_TEST_QDRANT_DOCUMENTS ?? 150);

const scope: VectorScope = { tenant: 't', collection: 'c', generation: 'g', dimensions: 8 };
const missing = qdrantProgramMissing();

describe.skipIf(missing)(`a Qdrant cluster of ${NODES}${missing ? `: ${missing}` : ''}`, () => {
  const nodes: TestQdrant[] = [];
  const stores: VectorStore[] = [];
  let prefix = '';
  beforeAll(async () => {
    let first = '';
    for (let n = 0; n < NODES; n++) {
      const port = String(await freePort());
      const uri = `http://127.0.0.1:${port}`;
      const args = n === 0 ? ['--uri', uri] : ['--bootstrap', first, '--uri', uri];
      first ||= uri;
      nodes.push(
        await startQdrant({ QDRANT__CLUSTER__ENABLED: 'true', QDRANT__CLUSTER__P2P__PORT: port }, args),
      );
    }
    prefix = `cluster-${process.pid}`;
    for (const { url } of nodes) {
      const settings = qdrantSettings(url, {
        KNARR_QDRANT_PREFIX: prefix,
        KNARR_QDRANT_SHARDS: '3',
        KNARR_QDRANT_REPLICAS: '3',
        KNARR_QDRANT_WRITE_CONSISTENCY: '2',
        KNARR_QDRANT_TIMEOUT: '5s',
      });
      stores.push(openQdrantVectors(settings, async (texts) => texts.map((text) => new Map([[text, 1]]))));
    }
    await patiently('every node knows of the others', async () => {
      for (const { url } of nodes) {
        const { result } = await read(url, '/cluster');
        if (Object.keys(result.peers ?? {}).length !== NODES) return false;
      }
      return true;
    });
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });

  test('loses no acknowledged point and brings no removed one back when a node is killed during writes', async () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    const random = mulberry32(seed);
    const held = new Map<string, Point[]>();
    const removed = new Map<string, Point[]>();
    const state = { acknowledged: 0, refused: 0, stop: false };

    /** Goes on at the next node until one has acknowledged. */
    async function insist(work: (store: VectorStore) => Promise<unknown>, from: number): Promise<void> {
      for (let n = from; ; n++) {
        const done = await work(stores[n % NODES] as VectorStore).then(
          () => true,
          () => false,
        );
        if (done) return;
        state.refused++;
      }
    }
    async function writer(n: number): Promise<void> {
      for (let turn = 0; !state.stop; turn++) {
        const document = `w${n}-${turn}`;
        const points = pointsOf(document, random);
        await insist((store) => store.upsert(scope, points), n + turn);
        held.set(document, points);
        state.acknowledged++;
        if (random() > 0.2) continue;
        await insist((store) => store.remove('t', document), n + turn);
        removed.set(document, points);
        held.delete(document);
      }
    }
    const more = async (documents: number) => {
      const goal = state.acknowledged + documents;
      await patiently('documents are acknowledged', async () => state.acknowledged >= goal);
    };

    await stores[0]?.upsert(scope, pointsOf('first', random));
    const writing = Promise.all(Array.from({ length: WRITERS }, (_, n) => writer(n)));
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const node = nodes[kill % NODES] as TestQdrant;
        await more(DOCUMENTS);
        await node.kill();
        await more(DOCUMENTS);
        await node.start();
        await patiently('every replica is active', replicasActive);
      }
    } finally {
      state.stop = true;
      await writing;
    }
    await patiently('every replica is active', replicasActive);

    const lost = { acknowledged: [] as string[], removed: [] as string[] };
    const ids = (documents: Map<string, Point[]>) => [...documents.values()].flat().map(({ id }) => id);
    for (const store of stores) {
      const kept = await presentOf(store, ids(held));
      lost.acknowledged.push(...ids(held).filter((id) => !kept.has(id)));
      lost.removed.push(...(await presentOf(store, ids(removed))));
    }
    console.log(
      `SEED=${seed}: ${KILLS} kills, ${state.acknowledged} documents acknowledged, ${state.refused} tries refused, ` +
        `${ids(held).length} points to be there and ${ids(removed).length} not, on ${NODES} nodes each: ` +
        `lost ${lost.acknowledged.length}, resurrected ${lost.removed.length}`,
    );
    expect(lost).toEqual({ acknowledged: [], removed: [] });
    expect(state.acknowledged).toBeGreaterThanOrEqual(2 * KILLS * DOCUMENTS);
  }, 1_800_000);

  /** Whether all nodes say of all shards that every copy is in step. */
  async function replicasActive(): Promise<boolean> {
    for (const { url } of nodes) {
      const { result: listed } = await read(url, '/collections');
      for (const { name } of listed.collections) {
        const { result } = await read(url, `/collections/${encodeURIComponent(name)}/cluster`);
        const shards: { state: string }[] = [...result.local_shards, ...result.remote_shards];
        if (shards.length !== 9 || shards.some(({ state }) => state !== 'Active')) return false;
      }
    }
    return true;
  }
});

describe.skipIf(missing)(`a Qdrant cluster that comes up${missing ? `: ${missing}` : ''}`, () => {
  const nodes: TestQdrant[] = [];
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });
  async function join(first?: string): Promise<string> {
    const port = String(await freePort());
    const uri = `http://127.0.0.1:${port}`;
    const args = first === undefined ? ['--uri', uri] : ['--bootstrap', first, '--uri', uri];
    nodes.push(
      await startQdrant({ QDRANT__CLUSTER__ENABLED: 'true', QDRANT__CLUSTER__P2P__PORT: port }, args),
    );
    return uri;
  }

  test('gets no collection before it has a node for each copy, and one with too few is found', async () => {
    const first = await join();
    const { url } = nodes[0] as TestQdrant;
    const ask = (path: string) => read(url, path);
    const store = openQdrantVectors(qdrantSettings(url, { KNARR_QDRANT_REPLICAS: '2' }), async (texts) =>
      texts.map((text) => new Map([[text, 1]])),
    );
    const points = pointsOf('early', mulberry32(1));
    await expect(store.upsert(scope, points)).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: /has 1 of the 2 nodes/,
    });
    expect((await ask('/collections')).result.collections).toEqual([]);
    await fetch(`${url}/collections/hasty`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ vectors: { size: 4, distance: 'Cosine' }, replication_factor: 2 }),
    });

    await join(first);
    await patiently('the node has come', async () => {
      const { result } = await ask('/cluster');
      return Object.keys(result.peers).length === 2;
    });
    await patiently('the points are taken', () => store.upsert(scope, points).then(() => true));
    const found = await checkReplicas(ask);
    expect(found).toHaveLength(2);
    expect(found).toContainEqual(
      expect.objectContaining({ status: 'problem', detail: 'hasty has a shard with 1 of 2 copies' }),
    );
    expect(found.filter(({ status }) => status === 'ok')).toHaveLength(1);
  });
});

const read = async (url: string, path: string): Promise<any> => (await fetch(url + path)).json();

function pointsOf(document: string, random: () => number): Point[] {
  return Array.from({ length: CHUNKS }, (_, chunk) => ({
    id: pointId('t', document, 1, chunk, 'g'),
    ...{ document, version: 1, chunk, text: document, metadata: {}, acl: ['*'] },
    vector: Float32Array.from({ length: 8 }, () => random() - 0.5),
  }));
}

async function presentOf(store: VectorStore, ids: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (let start = 0; start < ids.length; start += 500) {
    for (const id of await store.present(scope, ids.slice(start, start + 500))) found.add(id);
  }
  return found;
}

/** Asks every 100 ms, for five minutes at most. */
async function patiently(what: string, ask: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    if (await ask().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`Waited in vain until ${what}.`);
}
