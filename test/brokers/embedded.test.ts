import { createBroker } from '../../functions/_local/broker/broker.ts';
import { deliverTo } from '../../functions/_local/run/deliver.ts';
import { serve } from '../../functions/_shared/runtime/serve.ts';
import { createLogger } from '../../functions/_shared/telemetry/log.ts';
import { brokerContract } from './contract.ts';
import { EMBEDDED } from './traits.ts';

brokerContract(EMBEDDED, async (edges) => {
  const brokers = [{ name: 'default', namespace: 'default' }];
  const topology = { brokers, edges: [...edges], services: [] };
  const broker = createBroker(topology, { log: createLogger('silent'), deliver: deliverTo(new Map()) });
  const options = { port: 0, hostname: '127.0.0.1' };
  const served = await serve({ fetch: (request) => broker.fetch(request), drain() {} }, options);
  return {
    url: new URL(EMBEDDED.path, served.url).href,
    async close() {
      await served.close();
      await broker.close();
    },
  };
});
