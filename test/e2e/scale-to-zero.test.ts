import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBroker, type EmbeddedBroker } from '../../functions/_local/broker/broker.ts';
import { emit, toCloudEvent } from '../../functions/_shared/events.ts';
import { STAGES, type StageName } from '../../functions/_shared/stage.ts';
import type { DocumentStore } from '../../functions/_shared/stores/documents/port.ts';
import { openLedger } from '../../functions/_shared/stores/open.ts';
import { createLogger } from '../../functions/_shared/telemetry/log.ts';
import { type Api, apiOf } from '../support/api.ts';
import { Activator } from '../support/arrangements/activator.ts';
import { ensureBuilt } from '../support/arrangements/build.ts';
import { namespacesMissing, openNetwork, type TestNetwork } from '../support/arrangements/namespaces.ts';
import { queueProxyMissing, SERVING_PORT, startPod } from '../support/arrangements/queue-proxy.ts';
import { STAGE_KEY } from '../support/arrangements/stages.ts';
import { openSharedStores, type SharedStores } from '../support/arrangements/stores.ts';
import { shippedEdges, sinkOf } from '../support/arrangements/topology.ts';
import { freePort } from '../support/ports.ts';
import { postgresMissing } from '../support/postgres.ts';
import { closerOf, startProgram, until } from '../support/program.ts';

const RELAY = fileURLToPath(new URL('../support/arrangements/relay.mjs', import.meta.url));

/** Every stage at zero, started behind queue-proxy for each request and ended after it. */
function atZero() {
  const closers: (() => unknown)[] = [];
  const close = closerOf(closers);
  let network: TestNetwork;
  let stores: SharedStores;
  let broker: EmbeddedBroker;
  let documents: DocumentStore;
  let gateway: Api;
  const activators = new Map<string, Activator>();

  beforeAll(async () => {
    await ensureBuilt();
    const folder = await mkdtemp(join(tmpdir(), 'knarr-zero-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    network = await openNetwork();
    closers.push(() => network.close());
    stores = await openSharedStores();
    closers.push(() => stores.close());
    ({ documents } = await openLedger({ databaseUrl: stores.env.DATABASE_URL as string, dataDir: '' }));
    closers.push(() => documents.close());

    // The Broker and the activators are in this process; pods reach them through a namespace of theirs.
    const edge = network.add('edge');
    const socket = join(folder, 'edge.sock');
    const at = (stage: StageName) => `http://${edge.address}/stages/${stage}`;
    const urls = Object.fromEntries(STAGES.map((stage) => [stage, at(stage)])) as Record<StageName, string>;
    const addresses = STAGES.map((stage) => [`KNARR_${stage.toUpperCase()}_URL`, at(stage)]);
    const env = {
      ...stores.env,
      ...Object.fromEntries(addresses),
      KNARR_EMBED_WORKERS: '1',
      KNARR_STAGE_KEY: STAGE_KEY,
      KNARR_AUTH: 'keys',
      KNARR_EVENTS_AUTH: 'trust',
    };
    const sink = `http://${edge.address}/default/default`;
    for (const stage of STAGES) {
      const bound = { ...env, ...sinkOf(stage, sink) };
      activators.set(stage, new Activator(stage, bound, network.add(stage)));
    }
    const ask = (request: Request): Promise<Response> => {
      const { pathname, search } = new URL(request.url);
      const [, stage = '', path = '/'] = /^\/stages\/([a-z]+)(\/.*)?$/.exec(pathname) ?? [];
      return activators.get(stage)?.fetch(request, path + search) ?? broker.fetch(request);
    };
    const brokers = [{ name: 'default', namespace: 'default' }];
    const edges = shippedEdges('in-memory', urls);
    broker = createBroker(
      { brokers, edges, services: [] },
      { log: createLogger('warn'), deliver: (url, request) => ask(new Request(url, request)) },
    );
    closers.push(() => broker.close());
    const port = await freePort();
    for (const listen of [{ path: socket }, { port, host: '127.0.0.1' }]) {
      const server = createServer(getRequestListener(ask));
      await new Promise<void>((resolve) => server.listen(listen, resolve));
      closers.push(() => {
        server.closeAllConnections();
        server.close();
      });
    }
    const relay = startProgram(process.execPath, [RELAY, edge.address, '80', socket], {
      namespace: edge.namespace,
    });
    closers.push(() => relay.stop());
    await relay.said(/^ready/);
    gateway = apiOf(`http://127.0.0.1:${port}/stages/gateway`, stores.key);
  }, 180_000);
  afterAll(async () => {
    for (const activator of activators.values()) await activator.idle();
    await close();
  }, 120_000);

  test('documents get through, though every stage starts and ends for each request', async () => {
    const ids = ['one', 'two', 'three'];
    for (const id of ids) {
      const { status } = await gateway.api('PUT', `/v1/documents/${id}`, {
        text: `Document ${id} tells of the knarr, which carried cargo across the North Atlantic.`,
      });
      expect(status).toBe(202);
    }
    const sweep = toCloudEvent('timer', emit('timer.fired', 'sweep', { task: 'sweep' }), {
      tenant: 'system',
    });
    const states = async () => {
      const found = ids.map((document) => documents.version({ tenant: 'default', document, version: 1 }));
      return (await Promise.all(found)).map((version) => version?.state);
    };
    // What a gateway that ended too early has not published, the timer's recover does.
    for (let n = 0; n < 20 && (await documents.outboxSize()) > 0; n++) {
      await broker.publisher().publish([sweep]);
      await broker.idle();
    }
    await until(
      'The documents were not indexed.',
      async () => (await states()).every((state) => state === 'indexed'),
      120_000,
    );
    await broker.idle();
    for (const stats of Object.values(broker.stats()))
      expect(stats).toMatchObject({ waiting: 0, retried: 0, deadLettered: 0, lost: 0 });
    for (const stage of ['gateway', 'ingest', 'embed', 'index'])
      expect(activators.get(stage)?.starts, stage).toBeGreaterThanOrEqual(ids.length);
  }, 240_000);

  test('a question is answered from zero', async () => {
    const { body } = await gateway.api('POST', '/v1/rag', {
      question: 'What did the knarr carry?',
      budget_ms: 60_000,
    });
    expect(body.answer).toContain('cargo');
    expect(body.degraded).toEqual([]);
  }, 120_000);

  test('a request under way is answered although its pod is told to end', async () => {
    const { namespace, address } = network.add('ending');
    const url = `http://${address}:${SERVING_PORT}`;
    const pod = await startPod('embed', { KNARR_EMBED_WORKERS: '1', KNARR_STAGE_KEY: 'none' }, namespace);
    const ready = () =>
      fetch(`${url}/health/readiness`).then(
        ({ ok }) => ok,
        () => false,
      );
    await Promise.race([until('embed does not start.', ready), pod.ended]);
    const texts = Array.from(
      { length: 96 },
      (_, n) => `Text number ${n}. ${'It goes on for a while. '.repeat(20)}`,
    );
    const asked = fetch(`${url}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ texts }),
    });
    // It takes a second or more: by then it is at work.
    await sleep(200);
    const ended = pod.stop();
    const answer = await asked;
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { vectors: unknown[] }).vectors).toHaveLength(texts.length);
    await ended;
    await expect(fetch(url)).rejects.toThrow();
  }, 120_000);
}

const missing = namespacesMissing() ?? queueProxyMissing() ?? postgresMissing();
describe.skipIf(missing !== undefined)(`scaled to zero${missing ? ` (${missing})` : ''}`, atZero);
