import { readFileSync } from 'node:fs';
import { describe } from 'vitest';
import { parse } from 'yaml';
import { asset } from '../../functions/_shared/assets.ts';
import { httpPublisher } from '../../functions/_shared/publisher.ts';
import { apiOf } from '../support/api.ts';
import { onLoopback, startStages } from '../support/arrangements/stages.ts';
import { openSharedStores } from '../support/arrangements/stores.ts';
import { shippedEdges } from '../support/arrangements/topology.ts';
import { postgresMissing } from '../support/postgres.ts';
import { closerOf } from '../support/program.ts';
import { rabbitMissing, startRabbit } from '../support/rabbitmq.ts';
import { rabbitBrokerMissing, startRabbitBroker } from '../support/rabbitmq-broker.ts';
import { endToEndByBroker, type OpenArrangement } from './cases.ts';

/** Stages as processes, joined by Knative's RabbitMQ Broker on a real RabbitMQ. */
async function start(): Promise<OpenArrangement> {
  const closers: (() => unknown)[] = [];
  const close = closerOf(closers);
  const keep = async <T extends { close(): unknown }>(opening: Promise<T>): Promise<T> => {
    const opened = await opening;
    closers.push(() => opened.close());
    return opened;
  };
  try {
    const server = startRabbit();
    const stores = await keep(openSharedStores());
    const rabbit = await server;
    closers.push(() => rabbit.stop());
    const broker = await keep(startRabbitBroker(rabbit));
    const urls = await startStages(onLoopback, stores, broker.url, closers, { sendDeadLetters: true });
    await broker.subscribe(shippedEdges('rabbitmq', urls), parallelism());
    return { ...apiOf(urls.gateway, stores.key), publisher: httpPublisher(broker.url), urls, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function parallelism(): number {
  const { metadata } = parse(readFileSync(asset('brokers/rabbitmq/parallelism.yaml'), 'utf8'));
  return Number(metadata.annotations['rabbitmq.eventing.knative.dev/parallelism']);
}

const missing = rabbitMissing() ?? rabbitBrokerMissing() ?? postgresMissing();
describe.skipIf(missing !== undefined)(
  `with Knative's RabbitMQ Broker${missing ? ` (${missing})` : ''}`,
  () => endToEndByBroker(start),
);
