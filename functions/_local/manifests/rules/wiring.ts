import type { z } from 'zod';
import { checkWiring, type WiredStage } from '../../wiring/check.ts';
import { Broker, Service, Trigger } from '../../wiring/schemas.ts';
import { resolveTopology, type Topology } from '../../wiring/topology.ts';
import { type Manifest, WiringError } from '../../wiring/yaml.ts';
import { isKnativeService, type Overlay, ofKind, type Path, type Rendered, showPath } from '../model.ts';

const TRIGGER = 'eventing.knative.dev/v1/Trigger';

/** `file:line: Kind/name: path`, before what is wrong there. */
export const placeOf = (rendered: Rendered, path: Path): string =>
  `${rendered.at(path)}: ${rendered.object.kind}/${rendered.object.metadata.name}: ${showPath(path)}`;

const isToStage = ({ object }: Rendered) => object.spec?.subscriber?.ref?.kind === 'Service';

/**
 * The overlay's Brokers, Triggers and Services against the code, by the same check that the embedded broker starts with:
 * what it does not implement works on some Brokers only. `services` stand in for an overlay that has none of its own.
 */
export function checkOverlayWiring(
  overlay: Overlay,
  stages: readonly WiredStage[],
  services: readonly Rendered[],
): string[] {
  const problems: string[] = [];
  const read = <T>(rendered: readonly Rendered[], schema: z.ZodType<T>) =>
    rendered.flatMap((one) => {
      const manifest = toManifest(one, schema);
      if (!Array.isArray(manifest)) return [manifest];
      problems.push(...manifest);
      return [];
    });
  const own = overlay.rendered.filter(
    ({ object }) => isKnativeService(object) && object.metadata.labels?.['knarr.dev/stage'],
  );
  const wiring = {
    brokers: read(ofKind(overlay, 'eventing.knative.dev/v1/Broker'), Broker),
    services: read(own.length > 0 ? own : services, Service),
    // A Trigger may also call something that is no stage, such as a transformation.
    triggers: read(ofKind(overlay, TRIGGER).filter(isToStage), Trigger),
  };
  if (problems.length > 0) return problems;
  try {
    const topology = resolveTopology(wiring);
    checkWiring(topology, stages);
    return checkDeliveries(topology, own);
  } catch (thrown) {
    if (!(thrown instanceof WiringError)) throw thrown;
    return thrown.problems;
  }
}

function toManifest<T>(rendered: Rendered, schema: z.ZodType<T>): Manifest<T> | string[] {
  const at = (path: readonly PropertyKey[]) => placeOf(rendered, path as Path);
  const parsed = schema.safeParse(rendered.object);
  const file = rendered.at([]).replace(/:\d+$/, '');
  if (parsed.success) return { file, object: parsed.data, at };
  return parsed.error.issues.map((issue) => {
    if (issue.code !== 'unrecognized_keys') return `${at(issue.path)}: ${issue.message}`;
    return `${at([...issue.path, issue.keys[0] as string])}: works on some Brokers only, or on none`;
  });
}

/** No event is lost without a dead letter, and the Broker gives up an attempt before queue-proxy does. */
function checkDeliveries({ edges }: Topology, services: readonly Rendered[]): string[] {
  return edges.flatMap(({ service, delivery, at }) => {
    const problems: string[] = [];
    const where = at.subscriber.replace(/: spec\.subscriber$/, ': spec.delivery');
    if (delivery.deadLetterSink === undefined)
      problems.push(`${where}.deadLetterSink: is missing, here and in the Broker: what fails is lost`);
    const subscriber = services.find(({ object }) => object.metadata.name === service);
    const seconds: number = subscriber?.object.spec.template.spec.timeoutSeconds ?? 300;
    if (subscriber && (delivery.timeout ?? Number.POSITIVE_INFINITY) > seconds * 1000) {
      const timeout = delivery.timeout === undefined ? 'without end' : `${delivery.timeout / 1000} s`;
      problems.push(
        `${where}.timeout: the Broker waits ${timeout}, but ${service} is cut off after ${seconds} s`,
      );
    }
    return problems;
  });
}
