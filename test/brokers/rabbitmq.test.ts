import { describe } from 'vitest';
import { rabbitMissing, startRabbit } from '../support/rabbitmq.ts';
import { rabbitBrokerMissing, startRabbitBroker } from '../support/rabbitmq-broker.ts';
import { brokerContract } from './contract.ts';
import { RABBITMQ } from './traits.ts';

const missing = rabbitMissing() ?? rabbitBrokerMissing();
describe.skipIf(missing !== undefined)(`Knative's RabbitMQ Broker${missing ? ` (${missing})` : ''}`, () =>
  brokerContract(RABBITMQ, async (edges) => {
    const rabbit = await startRabbit();
    try {
      const broker = await startRabbitBroker(rabbit);
      await broker.subscribe(edges, 1);
      return {
        url: broker.url,
        async close() {
          await broker.close();
          await rabbit.stop();
        },
      };
    } catch (thrown) {
      await rabbit.stop();
      throw thrown;
    }
  }),
);
