import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createBroker } from '../../functions/_local/broker/broker.ts';
import { deliverTo } from '../../functions/_local/run/deliver.ts';
import { loadTopology } from '../../functions/_local/wiring/topology.ts';
import { asset } from '../../functions/_shared/assets.ts';
import { emit, toCloudEvent } from '../../functions/_shared/events.ts';
import { serve } from '../../functions/_shared/runtime/serve.ts';
import { createLogger } from '../../functions/_shared/telemetry/log.ts';
import { type FunctionProcess, start } from '../support/functions.ts';
import type { System, SystemOptions } from './system.ts';

/** The processes: `keeping` holds ingest, index, search, fetch and recover, which share the embedded vector store. */
export const PARTS = ['embed', 'generate', 'keeping', 'gateway'] as const;
export type Part = (typeof PARTS)[number];

const HERE = fileURLToPath(new URL('./stages/', import.meta.url));
const SWEEP_MS = 500;

/**
 * Stages as processes that call each other by HTTP and say their events to a Broker, which this process plays. Documents
 * have to be on a server. `kill` takes a {@link Part}.
 */
export function createStages({ folder, port, env = {} }: SystemOptions): System {
  const parts = new Map<Part, FunctionProcess>();
  const closers: (() => Promise<unknown>)[] = [];
  const urls: Record<string, string> = {};

  /** Posts what the Broker delivers to the stage's process. */
  const subscriber = (stage: string) => ({
    async fetch(request: Request): Promise<Response> {
      const { method, headers, signal } = request;
      const body = await request.arrayBuffer();
      return fetch(urls[stage] as string, { method, headers, body, signal });
    },
  });

  async function openBroker(): Promise<string> {
    const topology = loadTopology(dirname(asset('brokers')));
    const running = new Map(topology.services.map((stage) => [stage, subscriber(stage)]));
    const broker = createBroker(topology, { log: createLogger('silent'), deliver: deliverTo(running) });
    const served = await serve({ fetch: broker.fetch, drain() {} }, { port: 0, hostname: '127.0.0.1' });
    const sweep = toCloudEvent('timer', emit('timer.fired', 'sweep', { task: 'sweep' }), {
      tenant: 'system',
    });
    const timer = setInterval(
      () =>
        void broker
          .publisher()
          .publish([sweep])
          .catch(() => {}),
      SWEEP_MS,
    );
    closers.push(
      () => broker.close(),
      () => served.close(),
      async () => clearInterval(timer),
    );
    return `${served.url}/default/default`;
  }

  return {
    url: `http://127.0.0.1:${port}`,
    pid: process.pid,
    deaths: 0,
    faults: {},
    gone: () => new Promise(() => {}),
    kill: (signal, part = 'gateway') => parts.get(part as Part)?.kill(signal),
    async start() {
      const shared = {
        LOG_LEVEL: 'info',
        PORT: '0',
        K_SINK: await openBroker(),
        KNARR_DATA_DIR: join(folder, 'data'),
        KNARR_EMBED_WORKERS: '1',
        KNARR_REDRIVE_AFTER: '2s',
        KNARR_STAGE_KEY: randomBytes(32).toString('hex'),
        ...env,
      };
      const run = async (part: Part, file: string, more: Record<string, string> = {}) => {
        const script = [join(HERE, file), part];
        const one = await start(['--import', 'tsx', ...script], process.cwd(), { ...shared, ...more });
        parts.set(part, one);
        urls[part] = one.url;
        return one;
      };
      const [{ lines }] = await Promise.all([run('keeping', 'keeping.ts'), run('embed', 'one.ts')]);
      Object.assign(urls, JSON.parse(lines.find((line) => line.startsWith('{"ingest"')) as string));
      await run('generate', 'one.ts', { KNARR_EMBED_URL: urls.embed as string });
      const addresses = Object.entries(urls).map(([stage, url]) => [`KNARR_${stage.toUpperCase()}_URL`, url]);
      const gateway = { PORT: String(port), KNARR_EVENTS_AUTH: 'trust', ...Object.fromEntries(addresses) };
      await run('gateway', 'one.ts', gateway);
    },
    async stop() {
      for (const one of [...parts.values()].reverse()) await one.stop();
      for (const close of closers.splice(0).reverse()) await close();
      mkdirSync(folder, { recursive: true });
      for (const [part, { lines }] of parts) writeFileSync(join(folder, `${part}.log`), lines.join('\n'));
      parts.clear();
      return 0;
    },
  };
}
