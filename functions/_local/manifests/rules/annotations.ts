import { isKnativeService, type Overlay, type Problem, type Rendered } from '../model.ts';
import { goDuration, quantity } from '../values.ts';

type Annotations = Record<string, string>;
/** Says what is wrong with a value, or nothing. */
type Check = (value: string, all: Annotations, settings: Settings) => string | undefined | false;
interface Settings {
  allowZeroInitialScale: boolean;
}

const AUTOSCALING = 'autoscaling.knative.dev/';
const QUEUE = 'queue.sidecar.serving.knative.dev/';
const SERVING = 'serving.knative.dev/';
const HOUR_MS = 3600e3;

const number =
  (min: number, max = Number.POSITIVE_INFINITY): Check =>
  (value) =>
    value.trim() === '' || !(Number(value) >= min && Number(value) <= max)
      ? `must be a number ${max === Number.POSITIVE_INFINITY ? `from ${min}` : `between ${min} and ${max}`}`
      : undefined;
const whole: Check = (value) => !/^\d+$/.test(value) && 'must be a whole number from 0';
const seconds =
  (min: number, max: number): Check =>
  (value) => {
    const ms = goDuration(value);
    if (ms === undefined) return 'must be a duration such as 30s or 5m';
    if (ms < min || ms > max) return `must be between ${min / 1e3} s and ${max / 1e3} s`;
    return ms % 1000 !== 0 && 'must be of whole seconds';
  };
const isQuantity: Check = (value) =>
  quantity(value) === undefined && 'must be a quantity such as 25m or 64Mi';
/** One user's p95 went from 39.9 to 4.9 ms when the limit was removed. */
const noLimit: Check = () => 'a CPU limit of queue-proxy throttles every request; leave it out';
const scaleOf = (all: Annotations, name: string) => Number(all[AUTOSCALING + name] ?? 0);

/** Ranges of knative/serving's pkg/apis/autoscaling and pkg/apis/serving. */
const REVISION: Record<string, Check> = {
  [`${AUTOSCALING}class`]: (value) =>
    value !== 'kpa.autoscaling.knative.dev' &&
    'must be kpa.autoscaling.knative.dev: the other cannot scale to zero',
  [`${AUTOSCALING}metric`]: (value) => !/^(concurrency|rps)$/.test(value) && 'must be concurrency or rps',
  [`${AUTOSCALING}target`]: number(0.01),
  [`${AUTOSCALING}target-utilization-percentage`]: number(1, 100),
  [`${AUTOSCALING}target-burst-capacity`]: (value, ...rest) => value !== '-1' && number(0)(value, ...rest),
  [`${AUTOSCALING}window`]: seconds(6_000, HOUR_MS),
  [`${AUTOSCALING}panic-window-percentage`]: number(1, 100),
  [`${AUTOSCALING}panic-threshold-percentage`]: number(110, 1000),
  [`${AUTOSCALING}min-scale`]: whole,
  [`${AUTOSCALING}max-scale`]: (value, all, settings) =>
    whole(value, all, settings) ||
    (Number(value) !== 0 && Number(value) < scaleOf(all, 'min-scale') && 'is less than min-scale'),
  [`${AUTOSCALING}initial-scale`]: (value, all, settings) =>
    whole(value, all, settings) ||
    (value === '0' &&
      !settings.allowZeroInitialScale &&
      'needs allow-zero-initial-scale: "true" in config-autoscaler, which this overlay does not set'),
  [`${AUTOSCALING}activation-scale`]: (value, all) => {
    const [min, max] = [scaleOf(all, 'min-scale'), scaleOf(all, 'max-scale')];
    if (!/^\d+$/.test(value) || Number(value) < 2) return 'must be a whole number from 2';
    if (Number(value) < min) return 'is less than min-scale';
    return max !== 0 && Number(value) > max && 'is more than max-scale';
  },
  [`${AUTOSCALING}scale-down-delay`]: seconds(0, HOUR_MS),
  [`${AUTOSCALING}scale-to-zero-pod-retention-period`]: seconds(0, HOUR_MS),
  [`${SERVING}progress-deadline`]: seconds(1_000, 24 * HOUR_MS),
  [`${QUEUE}cpu-resource-request`]: isQuantity,
  [`${QUEUE}cpu-resource-limit`]: noLimit,
  [`${QUEUE}memory-resource-request`]: isQuantity,
  [`${QUEUE}memory-resource-limit`]: isQuantity,
  [`${QUEUE}ephemeral-storage-resource-request`]: isQuantity,
  [`${QUEUE}ephemeral-storage-resource-limit`]: isQuantity,
};
const SERVICE: Record<string, Check> = {
  [`${SERVING}rollout-duration`]: seconds(0, HOUR_MS),
};
/** What every revision says, so that nothing depends on a cluster's defaults. */
const REQUIRED = ['metric', 'target', 'window', 'min-scale', 'max-scale', 'target-burst-capacity'].map(
  (name) => AUTOSCALING + name,
);

export function checkAnnotations(overlay: Overlay): Problem[] {
  const autoscaler = overlay.rendered.find(({ object }) => object.metadata.name === 'config-autoscaler');
  const settings = {
    allowZeroInitialScale: autoscaler?.object.data?.['allow-zero-initial-scale'] === 'true',
  };
  return overlay.rendered
    .filter(({ object }) => isKnativeService(object))
    .flatMap((rendered) => [
      ...checkMap(rendered, ['metadata', 'annotations'], SERVICE, settings),
      ...checkMap(rendered, ['spec', 'template', 'metadata', 'annotations'], REVISION, settings),
    ]);
}

function checkMap(
  rendered: Rendered,
  path: readonly string[],
  known: Record<string, Check>,
  settings: Settings,
): Problem[] {
  const isRevision = known === REVISION;
  const { metadata, spec } = rendered.object;
  const all: Annotations = (isRevision ? spec?.template?.metadata?.annotations : metadata.annotations) ?? {};
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(all)) {
    const say = (message: string) => problems.push({ rendered, path: [...path, name], message });
    const check = known[name];
    if (check) {
      const message = check(String(value), all, settings);
      if (message) say(message);
    } else if (isRevision && name in SERVICE)
      say('belongs to the metadata of the Service, not of its template');
    else if (!isRevision && name in REVISION) say('works under spec.template.metadata.annotations only');
    else if (/(^|\.)(autoscaling|serving)\.knative\.dev\//.test(name))
      say('Knative knows no such annotation');
  }
  if (isRevision) {
    for (const name of REQUIRED.filter((required) => !(required in all))) {
      problems.push({
        rendered,
        path: [...path, name],
        message: 'is missing: autoscaling is chosen for each Service',
      });
    }
  }
  return problems;
}
