import type { CloudEvent } from '../../_shared/events.ts';
import { readEvent, writeBinary } from '../../_shared/runtime/cloudevents.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import type { Edge, ResolvedDelivery, Topology } from '../wiring/topology.ts';
import { type BrokerOptions, createBroker, type EmbeddedBroker } from './broker.ts';

export const event = (more: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: '1.0',
  id: '1',
  source: '/test',
  type: 'a',
  datacontenttype: 'application/json',
  data: { n: 1 },
  ...more,
});

/** A Trigger of the Broker `default/default` whose subscriber is called as the Trigger is. */
export const edge = (
  name: string,
  attributes: Record<string, string>,
  delivery: Partial<ResolvedDelivery> = {},
  concurrency = 0,
): Edge => ({
  name,
  namespace: 'default',
  broker: 'default',
  attributes,
  subscriber: `http://${name}/`,
  service: name,
  concurrency,
  delivery: { retry: 0, ...delivery },
  at: { filter: '', subscriber: '' },
});
export const SINK = { deadLetterSink: 'http://sink/' };

export interface Delivered {
  to: string;
  event: CloudEvent;
  headers: Headers;
}
/** A subscriber; `attempt` counts from 1 for each event. */
export type Subscriber = (event: CloudEvent, attempt: number) => Response | Promise<Response>;

export interface TestBroker {
  broker: EmbeddedBroker;
  delivered: Delivered[];
  /** How long retries would have paused, milliseconds. */
  pauses: number[];
  post(event: CloudEvent, headers?: Record<string, string>): Promise<Response>;
  /** Who got something, in order. */
  names(): string[];
}

/** A broker over these edges whose subscribers are functions; one that is not given answers 202. */
export function brokerOf(
  edges: Edge[],
  subscribers: Record<string, Subscriber> = {},
  options: Partial<BrokerOptions> = {},
): TestBroker {
  const delivered: Delivered[] = [];
  const pauses: number[] = [];
  const topology: Topology = { brokers: [{ name: 'default', namespace: 'default' }], edges, services: [] };
  const broker = createBroker(topology, {
    log: createLogger('silent'),
    pause: async (ms) => void pauses.push(ms),
    async deliver(url, request) {
      const received = readEvent(request.headers, new Uint8Array(await request.arrayBuffer()));
      const to = new URL(url).host;
      delivered.push({ to, event: received, headers: request.headers });
      const attempt = delivered.filter((one) => one.to === to && one.event.id === received.id).length;
      return subscribers[to]?.(received, attempt) ?? status(202);
    },
    ...options,
  });
  return {
    broker,
    delivered,
    pauses,
    post(sent, more = {}) {
      const { headers, body } = writeBinary(sent);
      const init = { method: 'POST', body, headers: { ...headers, ...more } };
      return broker.fetch(new Request('http://broker/default/default', init));
    },
    names: () => delivered.map(({ to }) => to),
  };
}

export const status = (code: number, body: string | null = null) => new Response(body, { status: code });
/** An event as an answer. */
export function replyWith(answer: CloudEvent, more: Record<string, string> = {}): Response {
  const { headers, body } = writeBinary(answer);
  return new Response(body, { headers: { ...headers, ...more } });
}
