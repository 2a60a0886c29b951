import { expect } from 'vitest';
import { edge } from '../../functions/_local/broker/testing.ts';
import type { Edge, ResolvedDelivery } from '../../functions/_local/wiring/topology.ts';
import type { CloudEvent } from '../../functions/_shared/events.ts';
import { writeBinary, writeStructured } from '../../functions/_shared/runtime/cloudevents.ts';
import type { Delivered, Subscriber } from './subscribers.ts';

/** A Broker that serves the Triggers of every case at once, each event having a type of its case. */
export interface Stand {
  /** The ingress. */
  url: string;
  delivered: readonly Delivered[];
  /** Where the subscribers are. */
  subscribers: string;
}

/** Stands for {@link Stand.subscribers} in the Triggers, which are made before it is known. */
export const SUBSCRIBERS = 'http://subscribers';

/** Makes a test of a case; `define` says what Triggers it has, and gives what is done once the Broker runs. */
export type It = (name: string, define: (c: Case) => () => Promise<void>) => void;

type Delivery = Omit<Partial<ResolvedDelivery>, 'deadLetterSink'> & { sink?: boolean };

/** One case's Triggers, subscribers and events. */
export class Case {
  /** Type of its events. */
  readonly type: string;
  readonly edges: Edge[] = [];
  readonly subscribers = new Map<string, Subscriber>();
  readonly #stand: () => Stand;

  constructor(id: string, stand: () => Stand) {
    this.type = id;
    this.#stand = stand;
  }

  /** A Trigger for the case's type and these attributes; `sink`: its dead letters go to the subscriber `<name>-sink`. */
  trigger(
    name: string,
    {
      attributes = {},
      delivery: { sink = false, ...delivery } = {},
      answer,
      address,
    }: {
      attributes?: Record<string, string>;
      delivery?: Delivery;
      answer?: Subscriber;
      address?: string;
    } = {},
  ): this {
    const own = this.name(name);
    if (answer) this.subscribers.set(own, answer);
    this.edges.push({
      ...edge(own, { type: this.type, ...attributes }, delivery),
      subscriber: address ?? `${SUBSCRIBERS}/${own}`,
      delivery: {
        retry: 0,
        ...delivery,
        ...(sink && { deadLetterSink: `${SUBSCRIBERS}/${own}-sink` }),
      },
    });
    return this;
  }

  /** Makes a subscriber without a Trigger answer: a dead letter sink, or where a redirect leads. */
  subscriber(name: string, answer: Subscriber): this {
    this.subscribers.set(this.name(name), answer);
    return this;
  }

  name = (name: string) => `${this.type}-${name}`;
  urlOf = (name: string) => `${this.#stand().subscribers}/${this.name(name)}`;

  event = (more: Partial<CloudEvent> = {}): CloudEvent => ({
    specversion: '1.0',
    id: '1',
    source: '/test',
    type: this.type,
    time: '2026-01-02T03:04:05Z',
    datacontenttype: 'application/json',
    data: { n: 1 },
    ...more,
  });

  send(init: RequestInit, path = ''): Promise<Response> {
    return fetch(new URL(path, this.#stand().url), { method: 'POST', redirect: 'manual', ...init });
  }

  /** Posts an event, which has to be accepted. */
  async post(more: Partial<CloudEvent> = {}, headers: Record<string, string> = {}): Promise<void> {
    const written = writeBinary(this.event(more));
    const answer = await this.send({ ...written, headers: { ...written.headers, ...headers } });
    expect(answer.status).toBe(202);
  }

  structured = (more: Partial<CloudEvent> = {}) => writeStructured(this.event(more));

  /** What a subscriber has got so far. */
  got = (name: string): Delivered[] => this.#stand().delivered.filter(({ to }) => to === this.name(name));
  ids = (name: string): string[] => this.got(name).map(({ event }) => event.id);

  /** Waits until a subscriber has got that many. */
  async until(name: string, count: number): Promise<Delivered[]> {
    await expect
      .poll(() => this.got(name).length, { timeout: 20_000, interval: 20 })
      .toBeGreaterThanOrEqual(count);
    return this.got(name);
  }
}
