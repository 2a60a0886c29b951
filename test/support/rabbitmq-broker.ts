import { existsSync } from 'node:fs';
import type { Edge } from '../../functions/_local/wiring/topology.ts';
import { freePort } from './ports.ts';
import { closerOf, onPath, type Program, startProgram, until } from './program.ts';
import type { TestRabbit } from './rabbitmq.ts';

/**
 * Knative's RabbitMQ Broker without Kubernetes: its own ingress and dispatchers (knative.dev/eventing-rabbitmq), with the
 * exchanges, queues and bindings that its controller would make for the same Triggers (pkg/reconciler, pkg/rabbit).
 */
export interface RabbitBroker {
  /** The ingress. */
  url: string;
  /**
   * Makes Triggers, whose subscribers and sinks can be reached as they are. `parallelism`: events that each delivers at
   * once, as the annotation `rabbitmq.eventing.knative.dev/parallelism` says.
   */
  subscribe(edges: readonly Edge[], parallelism: number): Promise<void>;
  /** Events in the queues of the Triggers and of their dead letters. */
  waiting(): Promise<number>;
  close(): Promise<void>;
}

const PROGRAMS = ['KNARR_TEST_RABBITMQ_INGRESS', 'KNARR_TEST_RABBITMQ_DISPATCHER'] as const;
const NAMES = { KNARR_TEST_RABBITMQ_INGRESS: 'ingress', KNARR_TEST_RABBITMQ_DISPATCHER: 'dispatcher' };

const programOf = (variable: (typeof PROGRAMS)[number]): string | undefined =>
  process.env[variable] || onPath(`rabbitmq-${NAMES[variable]}`);

/** Why the Broker cannot be run; undefined when it can, or where `CI` is set: there the tests must run. */
export function rabbitBrokerMissing(): string | undefined {
  const missing = PROGRAMS.filter((variable) => !existsSync(programOf(variable) ?? ''));
  if (process.env.CI || missing.length === 0) return undefined;
  return `${missing.join(' and ')} name no program: .ci/run builds them`;
}

const VHOST = '%2F';

export async function startRabbitBroker(rabbit: TestRabbit): Promise<RabbitBroker> {
  const [ingress, dispatcher] = PROGRAMS.map((variable) => programOf(variable) ?? variable) as [
    string,
    string,
  ];
  const closers: (() => unknown)[] = [];
  const close = closerOf(closers);
  const name = `knarr-${process.pid}-${await freePort()}`;
  const queues: string[] = [];

  async function exchange(called: string): Promise<void> {
    await rabbit.manage('PUT', `/exchanges/${VHOST}/${called}`, { type: 'headers', durable: true });
    closers.push(() => rabbit.manage('DELETE', `/exchanges/${VHOST}/${called}`));
  }
  async function queue(called: string, from: string, binding: Record<string, string>): Promise<void> {
    await rabbit.manage('PUT', `/queues/${VHOST}/${called}`, {
      durable: true,
      arguments: { 'x-queue-type': 'quorum' },
    });
    closers.push(() => rabbit.manage('DELETE', `/queues/${VHOST}/${called}`));
    queues.push(called);
    await rabbit.manage('POST', `/bindings/${VHOST}/e/${from}/q/${called}`, {
      routing_key: '',
      arguments: { ...binding, 'x-match': 'all' },
    });
  }

  async function trigger(edge: Edge, url: string, parallelism: number): Promise<void> {
    const own = `${name}.${edge.name}`;
    const dead = `${own}.dlx`;
    const { retry, backoffPolicy, backoffDelay, timeout, deadLetterSink } = edge.delivery;
    const env = {
      RABBIT_URL: rabbit.url,
      BROKER_INGRESS_URL: url,
      NAMESPACE: edge.namespace,
      RETRY: String(retry),
      PARALLELISM: String(parallelism),
      ...(backoffPolicy && { BACKOFF_POLICY: backoffPolicy }),
      ...(backoffDelay !== undefined && { BACKOFF_DELAY: `${backoffDelay}ms` }),
      ...(timeout !== undefined && { TIMEOUT: `${timeout}ms` }),
    };
    const run = async (more: Record<string, string>) => {
      const program = startProgram(dispatcher, [], { env: { ...env, ...more } });
      closers.push(() => stop(program));
      await program.said(/starting to process messages/);
    };
    if (deadLetterSink !== undefined) {
      await exchange(dead);
      await queue(dead, dead, { 'x-knative-trigger': edge.name });
      await run({ QUEUE_NAME: dead, SUBSCRIBER: deadLetterSink, DLX: 'true' });
    }
    await queue(own, name, { ...edge.attributes, 'x-knative-trigger': edge.name });
    const sink: Record<string, string> = deadLetterSink === undefined ? {} : { DLX_NAME: dead };
    await run({ QUEUE_NAME: own, SUBSCRIBER: edge.subscriber, ...sink });
  }

  try {
    await exchange(name);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/`;
    const program = startProgram(ingress, [], {
      env: { BROKER_URL: rabbit.url, EXCHANGE_NAME: name, PORT: String(port) },
    });
    closers.push(() => stop(program));
    const answers = () =>
      fetch(url).then(
        ({ status }) => status === 405,
        () => false,
      );
    await Promise.race([until('The ingress does not answer.', answers), program.said(/(?!)/)]);
    return {
      url,
      async subscribe(edges, parallelism) {
        await Promise.all(edges.map((edge) => trigger(edge, url, parallelism)));
      },
      close,
      async waiting() {
        const all = (await rabbit.manage('GET', `/queues/${VHOST}`)) as { name: string; messages?: number }[];
        return all
          .filter((one) => queues.includes(one.name))
          .reduce((sum, { messages = 0 }) => sum + messages, 0);
      },
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** It would wait up to half a minute for requests that nobody makes. */
const stop = (program: Program) => program.stop('SIGTERM', 500);
