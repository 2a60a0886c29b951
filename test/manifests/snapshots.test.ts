import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';

/** The nightly job of components/qdrant, against nodes that speak Qdrant's API and share a bucket, as theirs do. */

const script = fileURLToPath(new URL('../../knative/components/qdrant/snapshots.mjs', import.meta.url));
const run = promisify(execFile);

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Node {
  peer: number;
  collections: string[];
  /** Answers every request of these collections with 500. */
  broken?: string[];
}

/** A node over the snapshots that all nodes see: names by collection. */
async function start(
  { peer, collections, broken = [] }: Node,
  bucket: Map<string, Set<string>>,
  clock: () => string,
) {
  const server = createServer((request, response) => {
    const answer = (status: number, result: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ result }));
    if (request.headers['api-key'] !== 'secret') return answer(401, null);
    const [, , collection = '', , name] = decodeURIComponent(request.url ?? '').split('/');
    if (collection === '') return answer(200, { collections: collections.map((one) => ({ name: one })) });
    if (broken.includes(collection)) return answer(500, null);
    const snapshots = bucket.get(collection) ?? new Set();
    bucket.set(collection, snapshots);
    if (request.method === 'POST') {
      const made = `${collection}-${peer}-${clock()}.snapshot`;
      snapshots.add(made);
      return answer(200, { name: made, creation_time: null, size: 1 });
    }
    if (request.method === 'DELETE') return answer(200, snapshots.delete(name ?? ''));
    return answer(
      200,
      [...snapshots].map((one) => ({ name: one, size: 1 })),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const nightly = (nodes: string[], kept: number) =>
  run(process.execPath, [script], {
    env: { QDRANT_NODES: nodes.join(','), QDRANT_API_KEY: 'secret', SNAPSHOTS_KEPT: String(kept) },
  }).then(
    () => 0,
    (error: { code: number }) => error.code,
  );

test('each node keeps its newest snapshots, and leaves those of the others alone', async () => {
  const bucket = new Map<string, Set<string>>();
  let day = 1;
  const clock = () => `2026-01-${String(day).padStart(2, '0')}-02-10-00`;
  const nodes = await Promise.all(
    [11, 12, 111].map((peer) => start({ peer, collections: ['knarr-a', 'knarr-a-1'] }, bucket, clock)),
  );
  for (; day <= 5; day++) expect(await nightly(nodes, 2)).toBe(0);
  for (const collection of ['knarr-a', 'knarr-a-1']) {
    expect([...(bucket.get(collection) ?? [])].sort()).toEqual(
      [11, 111, 12]
        .flatMap((peer) =>
          ['04', '05'].map((one) => `${collection}-${peer}-2026-01-${one}-02-10-00.snapshot`),
        )
        .sort(),
    );
  }
});

test('what fails is told, and does not keep the rest from being saved', async () => {
  const bucket = new Map<string, Set<string>>();
  const clock = () => '2026-01-01-02-10-00';
  const [one, two] = await Promise.all([
    start({ peer: 1, collections: ['a', 'b'], broken: ['a'] }, bucket, clock),
    start({ peer: 2, collections: ['a', 'b'] }, bucket, clock),
  ]);
  expect(await nightly([one, 'http://127.0.0.1:1', two] as string[], 7)).toBe(1);
  expect([...(bucket.get('a') ?? [])]).toEqual(['a-2-2026-01-01-02-10-00.snapshot']);
  expect(bucket.get('b')?.size).toBe(2);
});
