import type { Knob, Knobs } from '../../../_shared/config.ts';
import { runtimeKnobs } from '../../../_shared/runtime/start.ts';
import type { StageName } from '../../../_shared/stage.ts';
import { stageKeyKnob } from '../../../_shared/stage-key.ts';
import {
  type Fields,
  isKnativeService,
  type Overlay,
  ofKind,
  type Path,
  type Problem,
  type Rendered,
  SERVICE,
} from '../model.ts';
import type { EnvVar } from '../pods.ts';

/** What the check needs to know of a stage. */
export interface ConfiguredStage {
  name: StageName;
  knobs: Knobs;
}

/** Read by Node itself, or only by other variables. */
const PLATFORM = new Set(['KNARR_NAMESPACE', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'K_SINK']);
const HOST = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local$/;

/**
 * Every variable of a stage's container is a knob of that stage, with a value that the stage takes; secrets come from
 * Secrets, and addresses of other stages lead to Services of the same overlay.
 */
export function checkConfig(overlay: Overlay, stages: readonly ConfiguredStage[]): Problem[] {
  return overlay.rendered
    .filter(({ object }) => isKnativeService(object))
    .flatMap((rendered) => {
      const name = rendered.object.metadata.labels?.['knarr.dev/stage'];
      if (name === undefined) return [];
      const stage = stages.find((one) => one.name === name);
      const path = ['metadata', 'labels', 'knarr.dev/stage'];
      if (!stage) return [{ rendered, path, message: `there is no stage ${name}` }];
      return [
        ...checkEnv(rendered, stage, overlay),
        ...checkTrust(rendered, overlay),
        ...checkPaths(rendered),
        ...checkNamespace(rendered, overlay),
      ];
    });
}

function checkEnv(rendered: Rendered, { name: stage, knobs }: ConfiguredStage, overlay: Overlay): Problem[] {
  const { namespace = '', name: service } = rendered.object.metadata;
  const byEnv = new Map(
    [...Object.values(runtimeKnobs), ...Object.values(knobs)].map((knob) => [knob.env, knob as Knob]),
  );
  const at: Path = ['spec', 'template', 'spec', 'containers', 0, 'env'];
  const env: EnvVar[] = rendered.object.spec.template.spec.containers[0].env ?? [];
  const values = new Map<string, string>();
  return env.flatMap((variable, index): Problem[] => {
    const value = shownValue(variable, namespace, overlay, values);
    if (value !== undefined) values.set(variable.name, value);
    const say = (message: string, ...more: string[]): Problem[] => [
      { rendered, path: [...at, index, ...more], message },
    ];
    const knob = byEnv.get(variable.name);
    if (!knob) return PLATFORM.has(variable.name) ? [] : say(`${stage} reads no ${variable.name}`, 'name');
    if (knob.secret) {
      return variable.valueFrom?.secretKeyRef
        ? []
        : say(`${variable.name} is secret: it comes from a Secret`, 'value');
    }
    if (value === undefined) return [];
    const parsed = knob.schema.safeParse(value);
    const reason = parsed.error?.issues.map(({ message }) => message).join('; ');
    if (reason !== undefined) return say(`${variable.name}: ${JSON.stringify(value)}: ${reason}`, 'value');
    const hostname = URL.canParse(value) ? new URL(value).hostname : '';
    // Knative gives its ingress the names with a namespace; the bare one, which DNS would complete, gets a 404 there.
    if (ofKind(overlay, SERVICE).some(({ object: { metadata } }) => metadata.name === hostname)) {
      const routed = `${hostname}.$(KNARR_NAMESPACE).svc.cluster.local`;
      return say(`${variable.name}: Knative routes no bare name: write ${routed}`, 'value');
    }
    const [, host = '', space] = HOST.exec(hostname) ?? [];
    if (space === undefined || isService(overlay, host, space)) return [];
    return say(
      `${variable.name}: there is no Service ${host} in ${space}, which ${service} would call`,
      'value',
    );
  });
}

/** The value that the container would see, where the overlay says it. */
export function shownValue(
  { value, valueFrom }: EnvVar,
  namespace: string,
  overlay: Overlay,
  earlier: ReadonlyMap<string, string>,
): string | undefined {
  if (value !== undefined)
    return value.replaceAll(/\$\((\w+)\)/g, (whole, name) => earlier.get(name) ?? whole);
  const reference = valueFrom?.configMapKeyRef;
  if (!reference) return undefined;
  const map = ofKind(overlay, 'v1/ConfigMap').find(
    ({ object }) => object.metadata.name === reference.name && object.metadata.namespace === namespace,
  );
  return map?.object.data?.[reference.key];
}

/**
 * Knative's ingress and the Broker send for any workload of the cluster: stages know each other by one key. What the
 * gateway takes on trust is whatever reaches the Broker; from outside the cluster nothing may.
 */
function checkTrust(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const at: Path = ['spec', 'template', 'spec', 'containers', 0, 'env'];
  const env: EnvVar[] = spec.template.spec.containers[0].env ?? [];
  const problems: Problem[] = [];
  const key = keyOf(rendered);
  const [first] = stagesOf(overlay)
    .map(keyOf)
    .filter((one) => one !== undefined);
  if (key === undefined) {
    const message = `has no ${stageKeyKnob.env}: any workload of the cluster could call it as a stage does`;
    problems.push({ rendered, path: at, message });
  } else if (key !== first) {
    const message = `${stageKeyKnob.env} is ${key}, but ${first} in other stages: they would refuse each other`;
    problems.push({ rendered, path: at, message });
  }
  const trusts = env.findIndex(({ name, value }) => name === 'KNARR_EVENTS_AUTH' && value === 'trust');
  if (trusts >= 0 && metadata.labels?.['networking.knative.dev/visibility'] !== 'cluster-local') {
    const message =
      'trust takes documents of any tenant from whoever reaches this Service: that may be who reaches the Broker, not the world';
    problems.push({ rendered, path: [...at, trusts, 'value'], message });
  }
  return problems;
}

const stagesOf = ({ rendered }: Overlay) =>
  rendered.filter(
    ({ object }) => isKnativeService(object) && object.metadata.labels?.['knarr.dev/stage'] !== undefined,
  );

/** Secret and key in it of a stage's KNARR_STAGE_KEY. */
function keyOf({ object }: Rendered): string | undefined {
  const env: EnvVar[] = object.spec.template.spec.containers[0].env ?? [];
  const { valueFrom } = env.find(({ name }) => name === stageKeyKnob.env) ?? {};
  return valueFrom?.secretKeyRef && `${valueFrom.secretKeyRef.name}/${valueFrom.secretKeyRef.key}`;
}

/** By its name, or by a tag's: `<tag>-<name>`. */
function isService({ rendered }: Overlay, host: string, namespace: string): boolean {
  return rendered.some(({ object: { kind, metadata, spec } }) => {
    if (kind !== 'Service' || metadata.namespace !== namespace) return false;
    const tags = ((spec.traffic ?? []) as Fields[]).map(({ tag }) => `${tag}-${metadata.name}`);
    return metadata.name === host || tags.includes(host);
  });
}

/** Probes ask what the runtime answers. */
function checkPaths(rendered: Rendered): Problem[] {
  const container: Fields = rendered.object.spec.template.spec.containers[0];
  const allowed = {
    readinessProbe: '/health/readiness',
    livenessProbe: '/health/liveness',
    startupProbe: '/health/liveness',
  };
  return Object.entries(allowed).flatMap(([probe, path]): Problem[] => {
    const asked = container[probe]?.httpGet?.path;
    if (asked === undefined || asked === path) return [];
    const at = ['spec', 'template', 'spec', 'containers', 0, probe, 'httpGet', 'path'];
    return [{ rendered, path: at, message: `the stage answers at ${path}` }];
  });
}

/** The stages' addresses are made of this setting. */
function checkNamespace(rendered: Rendered, overlay: Overlay): Problem[] {
  const { namespace } = rendered.object.metadata;
  return ofKind(overlay, 'v1/ConfigMap').flatMap((map): Problem[] => {
    const { metadata, data } = map.object;
    if (!/^knarr(-[a-z0-9]+)?$/.test(metadata.name) || !data?.namespace || data.namespace === namespace)
      return [];
    return [
      {
        rendered: map,
        path: ['data', 'namespace'],
        message: `is ${data.namespace}, but ${rendered.object.metadata.name} is in ${namespace}`,
      },
    ];
  });
}
