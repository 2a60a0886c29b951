import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { Broker, type Delivery, type Destination, Service, Trigger } from './schemas.ts';
import { type Manifest, readManifest, WiringError } from './yaml.ts';

/** Namespace of objects that name none. */
const NAMESPACE = 'default';

export interface ResolvedDelivery {
  /** Further attempts after the first. */
  retry: number;
  backoffPolicy?: 'linear' | 'exponential' | undefined;
  /** Milliseconds. */
  backoffDelay?: number | undefined;
  /** Milliseconds for one attempt. */
  timeout?: number | undefined;
  /** URL. */
  deadLetterSink?: string | undefined;
}

/** A Trigger with everything looked up. */
export interface Edge {
  name: string;
  namespace: string;
  broker: string;
  attributes: Record<string, string>;
  /** URL that events are posted to. */
  subscriber: string;
  /** Name of the subscriber's Service; undefined for an absolute uri. */
  service: string | undefined;
  /** Events that may be under way to the subscriber at once; 0 sets no limit. */
  concurrency: number;
  delivery: ResolvedDelivery;
  /** `file:line` of the filter and the subscriber, for messages. */
  at: { filter: string; subscriber: string };
}

export interface Topology {
  /** Of the one Broker kind that was chosen. */
  brokers: { name: string; namespace: string }[];
  edges: Edge[];
  services: string[];
}

/** Manifests of which a topology is made; each can say where in its file something stands. */
export interface Wiring {
  brokers: readonly Manifest<Broker>[];
  services: readonly Manifest<Service>[];
  triggers: readonly Manifest<Trigger>[];
}

type Named = { metadata: { name: string; namespace?: string | undefined } };

/** Of two objects with one name Kubernetes would keep the one that is applied last. */
function repeated<T extends Named>(manifests: readonly Manifest<T>[]): string[] {
  const first = new Map<string, string>();
  return manifests.flatMap(({ object: { metadata }, file, at }) => {
    const key = keyOf(metadata.namespace, metadata.name);
    const before = first.get(key);
    first.set(key, before ?? file);
    return before ? [`${at(['metadata', 'name'])}: ${key} is in ${before} already`] : [];
  });
}

const keyOf = (namespace: string | undefined, name: string) => `${namespace ?? NAMESPACE}/${name}`;

/**
 * Reads `brokers/<kind>/broker.yaml`, every Trigger in `triggers/` and every Service in `knative/base/` below `root`.
 * Throws {@link WiringError} with everything that is not understood; when there is nothing of the kind, with every
 * Broker, subscriber and sink that is not there.
 */
export function loadTopology(root: string, kind = 'in-memory'): Topology {
  const problems: string[] = [];
  const read = <T>(file: string, schema: z.ZodType<T>): Manifest<T>[] => {
    try {
      return [readManifest(file, schema)];
    } catch (thrown) {
      if (!(thrown instanceof WiringError)) throw thrown;
      problems.push(...thrown.problems);
      return [];
    }
  };
  const folder = (name: string) =>
    readdirSync(join(root, name))
      .filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml')
      .sort()
      .map((file) => join(root, name, file));
  const brokers = read(join(root, 'brokers', kind, 'broker.yaml'), Broker);
  const services = folder('knative/base').flatMap((file) => read(file, Service));
  const triggers = folder('triggers').flatMap((file) => read(file, Trigger));
  if (problems.length > 0) throw new WiringError(problems);
  return resolveTopology({ brokers, services, triggers });
}

/** Joins Triggers with their Brokers, subscribers and sinks. Throws {@link WiringError} with everything that does not fit. */
export function resolveTopology({ brokers, services, triggers }: Wiring): Topology {
  const problems = [...repeated(services), ...repeated(triggers)];

  const serviceByKey = new Map(
    services.map(({ object }) => [keyOf(object.metadata.namespace, object.metadata.name), object]),
  );
  const brokerByKey = new Map(
    brokers.map((broker) => [keyOf(broker.object.metadata.namespace, broker.object.metadata.name), broker]),
  );

  function urlOf({ ref, uri }: Destination, namespace: string, at: string): string {
    if (!ref) return uri as string;
    const key = keyOf(ref.namespace ?? namespace, ref.name);
    if (!serviceByKey.has(key)) problems.push(`${at}: there is no Service ${key}`);
    return new URL(uri ?? '/', `http://${ref.name}.${ref.namespace ?? namespace}.svc.cluster.local/`).href;
  }

  function resolve(delivery: Delivery, namespace: string, at: string): ResolvedDelivery {
    const { deadLetterSink, retry, ...rest } = delivery;
    const sink = deadLetterSink && urlOf(deadLetterSink, namespace, at);
    return { ...rest, retry: retry ?? 0, deadLetterSink: sink };
  }

  const edges = triggers.map(({ object, at }): Edge => {
    const { metadata, spec } = object;
    const namespace = metadata.namespace ?? NAMESPACE;
    const broker = brokerByKey.get(keyOf(namespace, spec.broker));
    if (!broker) problems.push(`${at(['spec', 'broker'])}: there is no Broker ${spec.broker}`);
    const ofBroker = resolve(
      broker?.object.spec.delivery ?? {},
      namespace,
      broker?.at(['spec', 'delivery']) ?? '',
    );
    // A Trigger's delivery replaces its Broker's as a whole; only the dead letter sink falls back.
    const own = spec.delivery && resolve(spec.delivery, namespace, at(['spec', 'delivery']));
    const service =
      spec.subscriber.ref &&
      serviceByKey.get(keyOf(spec.subscriber.ref.namespace ?? namespace, spec.subscriber.ref.name));
    return {
      name: metadata.name,
      namespace,
      broker: spec.broker,
      attributes: spec.filter?.attributes ?? {},
      subscriber: urlOf(spec.subscriber, namespace, at(['spec', 'subscriber'])),
      service: spec.subscriber.ref?.name,
      concurrency: service?.spec.template.spec.containerConcurrency ?? 0,
      delivery: own ? { ...own, deadLetterSink: own.deadLetterSink ?? ofBroker.deadLetterSink } : ofBroker,
      at: { filter: at(['spec', 'filter', 'attributes', 'type']), subscriber: at(['spec', 'subscriber']) },
    };
  });
  // A Broker's sink is looked up for each of its Triggers.
  if (problems.length > 0) throw new WiringError([...new Set(problems)]);
  return {
    brokers: brokers.map(({ object }) => ({
      name: object.metadata.name,
      namespace: object.metadata.namespace ?? NAMESPACE,
    })),
    edges,
    services: services.map(({ object }) => object.metadata.name),
  };
}
