import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { httpPublisher } from '../../functions/_shared/publisher.ts';
import { STAGES, type StageName } from '../../functions/_shared/stage.ts';
import { apiOf } from '../support/api.ts';
import { namespacesMissing, openNetwork } from '../support/arrangements/namespaces.ts';
import { behindQueueProxy, queueProxyMissing, SERVING_PORT } from '../support/arrangements/queue-proxy.ts';
import { startStages } from '../support/arrangements/stages.ts';
import { openSharedStores } from '../support/arrangements/stores.ts';
import { shippedEdges } from '../support/arrangements/topology.ts';
import { postgresMissing } from '../support/postgres.ts';
import { closerOf, startProgram } from '../support/program.ts';
import { endToEndByBroker, type OpenArrangement } from './cases.ts';

const BROKER = fileURLToPath(new URL('../support/arrangements/broker-process.ts', import.meta.url));

/** Each stage a process behind Knative's queue-proxy, in a network namespace of its own as in its pod. */
async function start(): Promise<OpenArrangement> {
  const closers: (() => unknown)[] = [];
  const close = closerOf(closers);
  try {
    const network = await openNetwork();
    closers.push(() => network.close());
    const stores = await openSharedStores();
    closers.push(() => stores.close());

    const broker = network.add('broker');
    const pods = new Map(STAGES.map((stage) => [stage, network.add(stage)]));
    const podOf = (stage: StageName) => pods.get(stage) as ReturnType<typeof network.add>;
    const urls = Object.fromEntries(
      STAGES.map((stage) => [stage, `http://${podOf(stage).address}:${SERVING_PORT}/`]),
    ) as Record<StageName, string>;
    const program = startProgram(process.execPath, ['--import', 'tsx', BROKER], {
      namespace: broker.namespace,
      env: { HOST: broker.address, PORT: '80', EDGES: JSON.stringify(shippedEdges('in-memory', urls)) },
    });
    closers.push(() => program.stop());
    const sink = `http://${broker.address}/default/default`;
    const started = await startStages(behindQueueProxy(podOf), stores, sink, closers);
    await program.said(/^ready/);
    return { ...apiOf(started.gateway, stores.key), publisher: httpPublisher(sink), urls: started, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

const missing = namespacesMissing() ?? queueProxyMissing() ?? postgresMissing();
describe.skipIf(missing !== undefined)(`behind Knative's queue-proxy${missing ? ` (${missing})` : ''}`, () =>
  endToEndByBroker(start),
);
