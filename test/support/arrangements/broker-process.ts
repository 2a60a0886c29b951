// The embedded Broker as a process of its own, over HTTP. EDGES: its Triggers as JSON; HOST, PORT: where it listens.
import { createBroker } from '../../../functions/_local/broker/broker.ts';
import { deliverTo } from '../../../functions/_local/run/deliver.ts';
import type { Edge } from '../../../functions/_local/wiring/topology.ts';
import { serve } from '../../../functions/_shared/runtime/serve.ts';
import { createLogger } from '../../../functions/_shared/telemetry/log.ts';

const { EDGES = '[]', HOST = '127.0.0.1', PORT = '0' } = process.env;
const edges = JSON.parse(EDGES) as Edge[];
const broker = createBroker(
  { brokers: [{ name: 'default', namespace: 'default' }], edges, services: [] },
  { log: createLogger('warn'), deliver: deliverTo(new Map()) },
);
const served = await serve(
  { fetch: (request) => broker.fetch(request), drain() {} },
  { port: Number(PORT), hostname: HOST },
);
console.log(`ready ${served.url}`);
