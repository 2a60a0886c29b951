import { afterAll, beforeAll, test } from 'vitest';
import type { Edge } from '../../functions/_local/wiring/topology.ts';
import { Case, type It, type Stand, SUBSCRIBERS } from './case.ts';
import { failures } from './cases/failures.ts';
import { filters } from './cases/filters.ts';
import { ingress } from './cases/ingress.ts';
import { proofs } from './cases/proofs.ts';
import { replies } from './cases/replies.ts';
import { type Subscriber, startSubscribers } from './subscribers.ts';
import type { Traits } from './traits.ts';

/** Starts a Broker with these Triggers. */
export type StartBroker = (edges: readonly Edge[]) => Promise<{ url: string; close(): Promise<void> }>;

/** What is asked of a Broker, with its differences asserted as such. */
export function brokerContract(traits: Traits, start: StartBroker): void {
  const subscribers = new Map<string, Subscriber>();
  const edges: Edge[] = [];
  let stand: Stand;
  let close: () => Promise<void> = async () => {};

  let count = 0;
  const it: It = (name, define) => {
    const one = new Case(`c${++count}`, () => stand);
    const run = define(one);
    for (const [subscriber, answer] of one.subscribers) subscribers.set(subscriber, answer);
    edges.push(...one.edges);
    test(name, run);
  };

  beforeAll(async () => {
    const served = await startSubscribers(subscribers);
    const real = (url: string) => url.replace(SUBSCRIBERS, served.url);
    const broker = await start(
      edges.map(({ delivery, ...edge }) => {
        const sink = delivery.deadLetterSink;
        const moved = sink === undefined ? {} : { deadLetterSink: real(sink) };
        return { ...edge, subscriber: real(edge.subscriber), delivery: { ...delivery, ...moved } };
      }),
    );
    stand = { url: broker.url, delivered: served.delivered, subscribers: served.url };
    close = async () => {
      await broker.close();
      served.close();
    };
  }, 180_000);
  afterAll(() => close());

  ingress(traits, it);
  filters(traits, it);
  replies(traits, it);
  failures(traits, it);
  proofs(it);
}
