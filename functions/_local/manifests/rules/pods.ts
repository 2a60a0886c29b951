import { type Fields, type Overlay, ofKind, type Path, type Problem, type Rendered } from '../model.ts';
import { containersOf, type Pod, podsOf } from '../pods.ts';
import { quantity } from '../values.ts';

const ENFORCE = 'pod-security.kubernetes.io/enforce';
const LEVELS = ['privileged', 'baseline', 'restricted'];
/** Volumes that Pod Security "restricted" allows. */
const VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

/** Pod Security "restricted", read-only roots, requests and limits, pinned images: for every pod of ours, in whatever kind. */
export function checkPods(overlay: Overlay): Problem[] {
  return [...ofKind(overlay, 'v1/Namespace').flatMap(checkNamespace), ...podsOf(overlay).flatMap(checkPod)];
}

function checkNamespace(rendered: Rendered): Problem[] {
  const { metadata } = rendered.object;
  const level = metadata.labels?.[ENFORCE];
  if (LEVELS.includes(level ?? '')) return [];
  const path = ['metadata', 'labels', ENFORCE];
  return [{ rendered, path, message: `must be one of ${LEVELS.join(', ')}` }];
}

function checkPod(pod: Pod): Problem[] {
  const problems: Problem[] = [];
  const say = (path: Path, message: string) => problems.push({ rendered: pod.rendered, path, message });
  const { spec, path } = pod;
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) {
    if (spec[name]) say([...path, name], 'shares what belongs to the node');
  }
  for (const [index, { name: _, ...source }] of (spec.volumes ?? []).entries()) {
    for (const kind of Object.keys(source)) {
      if (!VOLUMES.has(kind))
        say([...path, 'volumes', index, kind], 'Pod Security "restricted" allows no such volume');
    }
  }
  if (spec.automountServiceAccountToken !== false)
    say([...path, 'automountServiceAccountToken'], 'must be false: nothing here asks the Kubernetes API');
  for (const { container, path: at } of containersOf(pod)) {
    checkSecurity(
      container.securityContext ?? {},
      spec.securityContext ?? {},
      [...at, 'securityContext'],
      say,
    );
    checkResources(container.resources ?? {}, [...at, 'resources'], say);
    checkImage(container.image, [...at, 'image'], say);
  }
  return problems;
}

type Say = (path: Path, message: string) => void;

function checkSecurity(own: Fields, pod: Fields, at: Path, say: Say): void {
  const required: [string, unknown, unknown][] = [
    ['allowPrivilegeEscalation', own.allowPrivilegeEscalation, false],
    ['readOnlyRootFilesystem', own.readOnlyRootFilesystem, true],
    ['runAsNonRoot', own.runAsNonRoot ?? pod.runAsNonRoot, true],
  ];
  for (const [name, value, expected] of required) {
    if (value !== expected) say([...at, name], `must be ${expected}`);
  }
  if ((own.runAsUser ?? pod.runAsUser) === 0) say([...at, 'runAsUser'], 'must not be root');
  if (own.privileged) say([...at, 'privileged'], 'must not be');
  const { drop = [], add = [] }: { drop?: string[]; add?: string[] } = own.capabilities ?? {};
  if (!drop.includes('ALL')) say([...at, 'capabilities', 'drop'], 'must contain ALL');
  if (add.some((name) => name !== 'NET_BIND_SERVICE'))
    say([...at, 'capabilities', 'add'], 'adds what was dropped');
  const profile = (own.seccompProfile ?? pod.seccompProfile)?.type;
  if (profile !== 'RuntimeDefault' && profile !== 'Localhost')
    say([...at, 'seccompProfile', 'type'], 'must be RuntimeDefault');
}

function checkResources({ requests = {}, limits = {} }: Fields, at: Path, say: Say): void {
  for (const name of ['cpu', 'memory']) {
    if (quantity(requests[name]) === undefined)
      say([...at, 'requests', name], 'is missing: the scheduler goes by it');
  }
  if (quantity(limits.memory) === undefined)
    say([...at, 'limits', 'memory'], 'is missing: a leak would take the node with it');
  for (const name of Object.keys(limits)) {
    const [request, limit] = [quantity(requests[name]), quantity(limits[name])];
    if (request !== undefined && limit !== undefined && request > limit)
      say([...at, 'requests', name], `is more than its limit ${limits[name]}`);
  }
}

function checkImage(image: string, at: Path, say: Say): void {
  const tag = /(?:@sha256:[0-9a-f]{64}|:([\w][\w.-]*))$/.exec(image);
  if (!tag) say(at, `${image} names no version`);
  else if (tag[1] === 'latest') say(at, `${image} changes under whoever runs it`);
}
