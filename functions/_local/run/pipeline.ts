import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asset } from '../../_shared/assets.ts';
import { type EventData, emit, toCloudEvent } from '../../_shared/events.ts';
import type { RunningStage } from '../../_shared/runtime/run.ts';
import { serve } from '../../_shared/runtime/serve.ts';
import type { Logger } from '../../_shared/stage.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../_shared/telemetry/metrics.ts';
import { tellDevice } from '../../embed/index.ts';
import { checkAuth } from '../../gateway/auth/authenticator.ts';
import { LOCAL_CALLER } from '../../gateway/auth/identity.ts';
import { refuseOpenBinding } from '../../gateway/guard.ts';
import { createBroker, type EmbeddedBroker } from '../broker/broker.ts';
import type { Deliver } from '../broker/delivery.ts';
import type { QueueLimits } from '../broker/queue.ts';
import { checkWiring } from '../wiring/check.ts';
import { loadTopology } from '../wiring/topology.ts';
import { readLocalConfig } from './config.ts';
import { deliverTo } from './deliver.ts';
import { openParts, type Parts } from './parts.ts';
import { runStages, STAGES } from './stages.ts';

/** The whole pipeline in this process, serving the gateway's API. */
export interface Pipeline {
  url: string;
  dataDir: string;
  /** Whether no document was ever put into it. */
  isUnused(): Promise<boolean>;
  /** Resolves when no event waits, neither in the outbox nor in the broker. */
  idle(): Promise<void>;
  /** Lets requests in flight finish, then events; what is left over is taken up at the next start. */
  close(): Promise<void>;
}

/** Where somebody may step in between: fault tests do. */
export interface Seams {
  /** The shared parts before stages get them. */
  parts(parts: Parts): Parts;
  /** How the broker reaches subscribers. */
  deliver(deliver: Deliver): Deliver;
  /** Bounds of the broker's queues. */
  queues: Partial<QueueLimits>;
  /** The gateway as it is served. */
  gateway(gateway: RunningStage): RunningStage;
}

/**
 * Opens every stage over one set of stores and joins them by the embedded broker, which reads the Triggers that
 * Knative would. Throws `ConfigError`, `WiringError`, and `conflict` when another process owns the data folder.
 */
export async function startPipeline(
  env: Record<string, string | undefined>,
  seams: Partial<Seams> = {},
): Promise<Pipeline> {
  const { config, shown } = readLocalConfig(env);
  const { host, port, logLevel, drain } = config.local;
  checkAuth(config.gateway);
  refuseOpenBinding(host, config.gateway.auth.length > 0);
  const log = createLogger(logLevel);
  const topology = loadTopology(dirname(asset('brokers')));
  checkWiring(topology, STAGES);

  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const metrics = createMetrics();
    closers.push(() => metrics.close());
    const opened = await openParts(config, closers);
    tellDevice(opened.encoder, config.embed.device, { log, metrics });
    const parts = seams.parts?.(opened) ?? opened;
    const running = new Map<string, RunningStage>();
    const deliver = deliverTo(running);
    const broker = createBroker(topology, {
      log,
      deliver: seams.deliver?.(deliver) ?? deliver,
      limits: seams.queues ?? {},
    });
    closers.push(() => broker.close());
    watchQueues(metrics, broker);
    // Nobody has it: from outside this process comes no event of a stage.
    const key = [randomBytes(32).toString('hex')];
    const options = { log, metrics, config: shown, publisher: broker.publisher(), key };
    const gateway = await runStages(parts, config, options, running, closers);
    // What an earlier process had in its broker's memory went with it.
    await parts.documents.requeueUnfinished();
    const served = await serve(seams.gateway?.(gateway) ?? gateway, { port, hostname: host, drainMs: drain });
    closers.push(() => served.close());
    for (const [task, every] of [
      ['sweep', config.local.sweepEvery],
      ['reconcile', config.local.reconcileEvery],
      ['resume', config.local.sweepEvery],
    ] as const) {
      closers.push(fireTimer(broker, task, every, log));
    }
    return {
      url: served.url,
      dataDir: resolve(config.stores.dataDir),
      async isUnused() {
        return (await parts.documents.collections(LOCAL_CALLER)).length === 0;
      },
      async idle() {
        do {
          await broker.idle();
          await sleep(5);
        } while ((await parts.documents.hasOutbox()) || waiting(broker) > 0);
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** What a PingSource does on Knative. */
function fireTimer(
  broker: EmbeddedBroker,
  task: EventData<'timer.fired'>['task'],
  every: number,
  log: Logger,
): () => Promise<void> {
  const event = toCloudEvent('timer', emit('timer.fired', task, { task }), { tenant: 'system' });
  const timer = setInterval(() => {
    broker
      .publisher()
      .publish([event])
      .catch((err) => log.warn({ err, task }, 'the timer was not heard'));
  }, every);
  return async () => clearInterval(timer);
}

const waiting = (broker: EmbeddedBroker): number =>
  Object.values(broker.stats()).reduce((sum, queue) => sum + queue.waiting, 0);

function watchQueues(metrics: Metrics, broker: EmbeddedBroker): void {
  const read = (of: 'waiting' | 'delivered' | 'retried' | 'deadLettered' | 'lost') => () =>
    Object.entries(broker.stats()).map(([trigger, stats]) => ({ value: stats[of], labels: { trigger } }));
  metrics.gauge('knarr_broker_events_waiting', 'Events queued or under way, by Trigger.', read('waiting'));
  metrics.gauge('knarr_broker_events_delivered', 'Events delivered since the start.', read('delivered'));
  metrics.gauge('knarr_broker_deliveries_retried', 'Deliveries tried again.', read('retried'));
  metrics.gauge(
    'knarr_broker_events_dead_lettered',
    'Events sent to a dead letter sink.',
    read('deadLettered'),
  );
  metrics.gauge(
    'knarr_broker_events_lost',
    'Events that nobody took, not even a dead letter sink.',
    read('lost'),
  );
}
