import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from '../support/arrangements/build.ts';
import { namespacesMissing, openNetwork } from '../support/arrangements/namespaces.ts';
import { queueProxyMissing, SERVING_PORT, startPod } from '../support/arrangements/queue-proxy.ts';
import { openSharedStores, type SharedStores } from '../support/arrangements/stores.ts';
import { postgresMissing } from '../support/postgres.ts';
import { closerOf } from '../support/program.ts';

/** Longer than any of Knative's probes waits: an attempt without a period has 100 ms, the activator 300. */
const SLOW_MS = 400;

const missing = namespacesMissing() ?? queueProxyMissing() ?? postgresMissing();
const title = `probes over a database that takes ${SLOW_MS} ms${missing ? ` (${missing})` : ''}`;
describe.skipIf(missing !== undefined)(title, () => {
  const closers: (() => unknown)[] = [];
  afterAll(closerOf(closers));
  let stores: SharedStores;
  let pod: { namespace: string; address: string };
  let slowUrl: string;
  beforeAll(async () => {
    await ensureBuilt();
    const network = await openNetwork();
    closers.push(() => network.close());
    pod = network.add('probed');
    stores = await openSharedStores();
    closers.push(() => stores.close());
    slowUrl = await slowly(String(stores.env.DATABASE_URL), closers);
  });

  test.each([
    ['as the Service says', undefined],
    ['without a period, as kn func deploys', {}],
  ])('the activator finds a pod ready and it stays so: %s', async (_, probe) => {
    const env = { ...stores.env, DATABASE_URL: slowUrl, KNARR_STAGE_KEY: 'none' };
    const { stop, ended } = await startPod('fetch', env, pod.namespace, probe);
    try {
      // As its revision backends do: every 200 ms, with 300 ms of patience.
      const probed = () =>
        fetch(`http://${pod.address}:${SERVING_PORT}/healthz`, {
          headers: { 'k-network-probe': 'queue', 'user-agent': 'Knative-Activator-Probe' },
          signal: AbortSignal.timeout(300),
        }).then(
          ({ ok }) => ok,
          () => false,
        );
      await Promise.race([expect.poll(probed, { timeout: 60_000, interval: 200 }).toBe(true), ended]);
      const later: boolean[] = [];
      for (let n = 0; n < 25; n++) {
        await sleep(200);
        later.push(await probed());
      }
      // The machine may hold one up; a readiness that waited for the database would fail each.
      expect(later.filter((ok) => ok).length).toBeGreaterThanOrEqual(20);
    } finally {
      await stop();
    }
  });
});

/** The same database by a socket of its own, on whose way everything takes a while. */
async function slowly(databaseUrl: string, closers: (() => unknown)[]): Promise<string> {
  const url = new URL(databaseUrl);
  const name = `.s.PGSQL.${url.port || 5432}`;
  const target = join(String(url.searchParams.get('host')), name);
  const folder = await mkdtemp(join(tmpdir(), 'knarr-slow-'));
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(target);
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => setTimeout(() => other.destroy(), SLOW_MS));
    }
    client.on('data', (part) => setTimeout(() => database.write(part), SLOW_MS));
    database.on('data', (part) => client.write(part));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, name), resolve));
  closers.push(async () => {
    server.close();
    for (const socket of open) socket.destroy();
    await rm(folder, { recursive: true, force: true });
  });
  url.searchParams.set('host', folder);
  return url.href;
}
