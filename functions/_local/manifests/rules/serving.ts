import {
  isKnativeService,
  type KubernetesObject,
  type Overlay,
  type Path,
  type Problem,
  type Rendered,
} from '../model.ts';

/** Of `config-defaults`: longer needs its max-revision-timeout-seconds. */
const MAX_TIMEOUT_SECONDS = 600;
const MAX_CONCURRENCY = 1000;
/** queue-proxy's own, and the profiler's. */
const RESERVED_PORTS = new Set([8008, 8012, 8013, 8022, 9090, 9091]);
const RESERVED_ENV = new Set(['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION']);
const RESERVED_PATHS = new Set(['/', '/dev', '/dev/log']);

type Say = (path: Path, message: string) => void;

/** What Knative Serving's own validation refuses (knative/serving, pkg/apis/serving), and what it takes but should not get. */
export function checkServing(overlay: Overlay): Problem[] {
  return overlay.rendered.filter(({ object }) => isKnativeService(object)).flatMap(checkService);
}

function checkService(rendered: Rendered): Problem[] {
  const problems: Problem[] = [];
  const say: Say = (path, message) => problems.push({ rendered, path, message });
  const { object } = rendered;
  checkLimits(object, say);
  checkTraffic(object, say);
  checkPod(object, say);
  return problems;
}

function checkLimits({ metadata, spec }: KubernetesObject, say: Say): void {
  const { template } = spec;
  const at = ['spec', 'template', 'spec'];
  const { containerConcurrency = 0, timeoutSeconds = 300 } = template.spec;
  if (containerConcurrency < 0 || containerConcurrency > MAX_CONCURRENCY)
    say([...at, 'containerConcurrency'], `must be between 0 and ${MAX_CONCURRENCY}`);
  if (timeoutSeconds < 1 || timeoutSeconds > MAX_TIMEOUT_SECONDS)
    say([...at, 'timeoutSeconds'], `must be between 1 and ${MAX_TIMEOUT_SECONDS}`);
  for (const name of ['responseStartTimeoutSeconds', 'idleTimeoutSeconds']) {
    if ((template.spec[name] ?? 0) > timeoutSeconds)
      say([...at, name], `is longer than timeoutSeconds (${timeoutSeconds})`);
  }
  const annotations = template.metadata?.annotations ?? {};
  const target = annotations['autoscaling.knative.dev/target'];
  const byConcurrency = annotations['autoscaling.knative.dev/metric'] === 'concurrency';
  if (byConcurrency && containerConcurrency > 0 && Number(target) > containerConcurrency) {
    const path = ['spec', 'template', 'metadata', 'annotations', 'autoscaling.knative.dev/target'];
    say(
      path,
      `is more than a pod may take (containerConcurrency ${containerConcurrency}): it would never be reached`,
    );
  }
  const name = template.metadata?.name;
  if (name !== undefined && !name.startsWith(`${metadata.name}-`))
    say(['spec', 'template', 'metadata', 'name'], `a revision's name begins with "${metadata.name}-"`);
}

interface Traffic {
  tag?: string;
  revisionName?: string;
  latestRevision?: boolean;
  percent?: number;
}

function checkTraffic({ spec }: KubernetesObject, say: Say): void {
  const traffic: Traffic[] | undefined = spec.traffic;
  if (traffic === undefined) return;
  const sum = traffic.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum !== 100) say(['spec', 'traffic'], `percentages add up to ${sum}, not 100`);
  const tags = new Set<string>();
  for (const [index, { tag, revisionName, latestRevision }] of traffic.entries()) {
    if ((revisionName === undefined) === (latestRevision !== true))
      say(['spec', 'traffic', index], 'names either a revisionName or latestRevision: true');
    if (tag === undefined) continue;
    if (tags.has(tag)) say(['spec', 'traffic', index, 'tag'], `${tag} is there already`);
    tags.add(tag);
  }
}

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

function checkPod({ spec }: KubernetesObject, say: Say): void {
  const pod = spec.template.spec;
  const at = ['spec', 'template', 'spec'];
  const volumes = new Map<string, Record<string, unknown>>();
  for (const [index, volume] of (pod.volumes ?? []).entries()) {
    if (volumes.has(volume.name)) say([...at, 'volumes', index, 'name'], `${volume.name} is there already`);
    volumes.set(volume.name, volume);
  }
  const mounted = new Set<string>();
  let ports = 0;
  for (const list of ['containers', 'initContainers']) {
    for (const [index, container] of (pod[list] ?? []).entries()) {
      const path = [...at, list, index];
      for (const [place, { name }] of (container.env ?? []).entries()) {
        if (RESERVED_ENV.has(name)) say([...path, 'env', place, 'name'], `Knative sets ${name} itself`);
      }
      const paths = new Set<string>();
      for (const [place, mount] of ((container.volumeMounts ?? []) as Mount[]).entries()) {
        mounted.add(mount.name);
        checkMount(mount, volumes.get(mount.name), paths, [...path, 'volumeMounts', place], say);
      }
      if (list === 'initContainers') continue;
      ports += (container.ports ?? []).length;
      checkPorts(container, path, say);
      checkProbes(container, path, say);
    }
  }
  if (ports > 1) say([...at, 'containers'], 'only one port is allowed, in all containers together');
  for (const [index, { name }] of (pod.volumes ?? []).entries()) {
    if (!mounted.has(name)) say([...at, 'volumes', index, 'name'], `${name} is mounted nowhere`);
  }
}

function checkMount(
  { name, mountPath, readOnly }: Mount,
  volume: Record<string, unknown> | undefined,
  paths: Set<string>,
  path: Path,
  say: Say,
): void {
  if (!volume) {
    say([...path, 'name'], `there is no volume ${name}`);
    return;
  }
  if (!mountPath.startsWith('/') || RESERVED_PATHS.has(mountPath))
    say([...path, 'mountPath'], `${mountPath} may not be mounted`);
  if (paths.has(mountPath)) say([...path, 'mountPath'], `${mountPath} is mounted twice`);
  paths.add(mountPath);
  const writable = volume.emptyDir ?? volume.persistentVolumeClaim ?? volume.ephemeral;
  if (writable === undefined && readOnly !== true)
    say([...path, 'readOnly'], 'must be true for this kind of volume');
}

function checkPorts(container: KubernetesObject, path: Path, say: Say): void {
  for (const [index, { name, containerPort }] of (container.ports ?? []).entries()) {
    if (name !== undefined && !/^(h2c|http1)$/.test(name))
      say([...path, 'ports', index, 'name'], 'must be h2c or http1');
    if (RESERVED_PORTS.has(containerPort))
      say([...path, 'ports', index, 'containerPort'], `${containerPort} is queue-proxy's`);
  }
}

function checkProbes(container: KubernetesObject, path: Path, say: Say): void {
  const { readinessProbe, livenessProbe, startupProbe } = container;
  if (!readinessProbe)
    say([...path, 'readinessProbe'], 'is missing: without it a pod gets requests before it can answer');
  if (!livenessProbe) say([...path, 'livenessProbe'], 'is missing: a pod that hangs would stay');
  if (readinessProbe && (readinessProbe.periodSeconds ?? 0) === 0) {
    say(
      [...path, 'readinessProbe', 'periodSeconds'],
      'is missing: Knative gives each attempt 100 ms then, and the kubelet looks every 10 s',
    );
    for (const field of ['failureThreshold', 'timeoutSeconds']) {
      if (readinessProbe[field] !== undefined)
        say([...path, 'readinessProbe', field], 'is not allowed without periodSeconds');
    }
  }
  for (const [name, probe] of Object.entries({ readinessProbe, livenessProbe, startupProbe })) {
    const port = probe?.httpGet?.port;
    const own = container.ports?.[0]?.containerPort ?? 8080;
    if (port !== undefined && port !== 0 && port !== own)
      say([...path, name, 'httpGet', 'port'], `must be the container's port (${own}), or left out`);
  }
}
