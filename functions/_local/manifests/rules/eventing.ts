import { EVENTS } from '../../../_shared/events.ts';
import { publishes } from '../../../_shared/stage.ts';
import type { WiredStage } from '../../wiring/check.ts';
import { Delivery } from '../../wiring/schemas.ts';
import {
  type Fields,
  idOf,
  isKnativeService,
  type Overlay,
  ofKind,
  type Path,
  type Problem,
  type Rendered,
} from '../model.ts';
import { selects } from '../selectors.ts';
import { isCron } from '../values.ts';

const BROKER = 'eventing.knative.dev/v1/Broker';
const CLASS = 'eventing.knative.dev/broker.class';
/** What configures each class of Broker. */
const CLASSES: Record<string, string> = {
  MTChannelBasedBroker: 'v1/ConfigMap',
  Kafka: 'v1/ConfigMap',
  RabbitMQBroker: 'eventing.knative.dev/v1alpha1/RabbitmqBrokerConfig',
};
const ENFORCE = 'pod-security.kubernetes.io/enforce';

/** Brokers, sources, and what is sent to the Broker by the stages themselves. */
export function checkEventing(overlay: Overlay, stages: readonly WiredStage[]): Problem[] {
  return [
    ...ofKind(overlay, BROKER).flatMap((broker) => checkBroker(broker, overlay)),
    ...overlay.rendered
      .filter(({ object }) => /^sources\.|EventTransform/.test(idOf(object)))
      .flatMap((source) => checkSink(source, overlay)),
    ...ofKind(overlay, 'eventing.knative.dev/v1/Trigger').flatMap((trigger) =>
      checkSubscriber(trigger, overlay),
    ),
    ...ofKind(overlay, 'sources.knative.dev/v1/PingSource').flatMap(checkTimer),
    ...checkTimers(overlay),
    ...checkPublishers(overlay, stages),
  ];
}

function checkBroker(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const name = metadata.annotations?.[CLASS] ?? '';
  const expected = CLASSES[name];
  const at = ['metadata', 'annotations', CLASS];
  if (!expected) {
    return [{ rendered, path: at, message: `must be one of ${Object.keys(CLASSES).join(', ')}` }];
  }
  const problems: Problem[] = [];
  const config = spec?.config;
  if (!config || `${config.apiVersion}/${config.kind}` !== expected)
    problems.push({
      rendered,
      path: ['spec', 'config'],
      message: `a ${name} is configured by a ${expected}`,
    });
  // What belongs to Knative's own namespace is installed with it.
  else if (config.namespace !== 'knative-eventing' && !find(overlay, config, metadata.namespace))
    problems.push({
      rendered,
      path: ['spec', 'config', 'name'],
      message: `there is no ${config.kind} ${config.name}`,
    });
  const namespace = ofKind(overlay, 'v1/Namespace').find(
    ({ object }) => object.metadata.name === metadata.namespace,
  );
  if (name === 'RabbitMQBroker' && namespace?.object.metadata.labels?.[ENFORCE] === 'restricted') {
    problems.push({
      rendered: namespace,
      path: ['metadata', 'labels', ENFORCE],
      message:
        "RabbitMQ's dispatchers run here without the seccompProfile that restricted demands: use baseline",
    });
  }
  return problems;
}

const find = ({ rendered }: Overlay, reference: Fields, namespace: string | undefined) =>
  rendered.some(
    ({ object }) =>
      object.kind === reference.kind &&
      object.apiVersion === reference.apiVersion &&
      object.metadata.name === reference.name &&
      object.metadata.namespace === (reference.namespace ?? namespace),
  );

function checkSink(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec, kind } = rendered.object;
  const problems: Problem[] = [];
  const sink: Fields | undefined = spec.sink;
  const path: Path = ['spec', 'sink'];
  if (sink === undefined) {
    // A transformation without a sink answers with what it made.
    if (kind !== 'EventTransform') problems.push({ rendered, path, message: 'is missing' });
  } else if (sink.ref ? !find(overlay, sink.ref, metadata.namespace) : !URL.canParse(sink.uri ?? '')) {
    problems.push({ rendered, path, message: `there is no ${sink.ref?.kind} ${sink.ref?.name}` });
  } else if (
    kind === 'EventTransform' &&
    (sink.ref?.namespace ?? metadata.namespace) !== metadata.namespace
  ) {
    problems.push({ rendered, path: [...path, 'ref', 'namespace'], message: 'must be its own namespace' });
  }
  if (spec.delivery) problems.push(...checkDelivery(rendered, spec.delivery));
  return problems;
}

function checkSubscriber(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const ref: Fields | undefined = spec.subscriber?.ref;
  // Those that call stages are checked with the wiring.
  if (!ref || ref.kind === 'Service') return [];
  const problems = spec.delivery ? checkDelivery(rendered, spec.delivery) : [];
  if (!find(overlay, ref, metadata.namespace)) {
    const path = ['spec', 'subscriber', 'ref', 'name'];
    problems.push({ rendered, path, message: `there is no ${ref.kind} ${ref.name}` });
  }
  if (
    !find(
      overlay,
      { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: spec.broker },
      metadata.namespace,
    )
  )
    problems.push({ rendered, path: ['spec', 'broker'], message: `there is no Broker ${spec.broker}` });
  return problems;
}

function checkDelivery(rendered: Rendered, delivery: unknown): Problem[] {
  const parsed = Delivery.safeParse(delivery);
  return (parsed.error?.issues ?? []).map(({ path, message }) => ({
    rendered,
    path: ['spec', 'delivery', ...(path as string[])],
    message,
  }));
}

function checkTimer(rendered: Rendered): Problem[] {
  const { schedule, data, contentType } = rendered.object.spec;
  const problems: Problem[] = [];
  if (!isCron(schedule ?? ''))
    problems.push({
      rendered,
      path: ['spec', 'schedule'],
      message: `${JSON.stringify(schedule)} is no cron schedule`,
    });
  if (contentType !== 'application/json')
    problems.push({ rendered, path: ['spec', 'contentType'], message: 'must be application/json' });
  const parsed = EVENTS['timer.fired'].safeParse(parseJson(data));
  if (!parsed.success) {
    const reason = parsed.error.issues[0]?.message ?? 'not what timer.fired says';
    problems.push({ rendered, path: ['spec', 'data'], message: `no data of timer.fired: ${reason}` });
  }
  return problems;
}

function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

const NEEDED = {
  sweep: 'no PingSource asks for a sweep: what stands still stays',
  resume: 'no PingSource asks to resume: rebuilds and comparisons stay half done',
};

/** Somebody has to wake `recover`. */
function checkTimers(overlay: Overlay): Problem[] {
  const [broker] = ofKind(overlay, BROKER);
  const tasks = ofKind(overlay, 'sources.knative.dev/v1/PingSource').map(
    ({ object }) => (parseJson(object.spec.data) as Fields)?.task,
  );
  if (!broker) return [];
  return Object.entries(NEEDED)
    .filter(([task]) => !tasks.includes(task))
    .map(([, message]) => ({ rendered: broker, path: ['metadata', 'name'], message }));
}

/** Stages that publish need K_SINK, which a SinkBinding gives them. */
function checkPublishers(overlay: Overlay, stages: readonly WiredStage[]): Problem[] {
  const bindings = ofKind(overlay, 'sources.knative.dev/v1/SinkBinding').map(
    ({ object }) => object.spec.subject,
  );
  return overlay.rendered
    .filter(({ object }) => isKnativeService(object))
    .flatMap((rendered): Problem[] => {
      const { metadata, spec } = rendered.object;
      const stage = stages.find(({ name }) => name === metadata.labels?.['knarr.dev/stage']);
      const bound = bindings.some(({ name, selector }) =>
        selector ? selects(selector, metadata.labels ?? {}) : name === metadata.name,
      );
      const set = (spec.template.spec.containers[0].env ?? []).some(
        ({ name }: { name: string }) => name === 'K_SINK',
      );
      if (!stage || !publishes(stage) || bound || set) return [];
      const path = ['metadata', 'labels', 'knarr.dev/publishes'];
      return [
        { rendered, path, message: `${stage.name} publishes events, but no SinkBinding gives it K_SINK` },
      ];
    });
}
