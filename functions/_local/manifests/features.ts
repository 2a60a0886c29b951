import { isKnativeService, type KubernetesObject, type Overlay, type Path, type Problem } from './model.ts';

/** Knative's feature flags that a field of a Service depends on (knative/serving, pkg/apis/config/features.go). */
const POD_FIELDS: Record<string, string> = {
  affinity: 'kubernetes.podspec-affinity',
  dnsConfig: 'kubernetes.podspec-dnsconfig',
  dnsPolicy: 'kubernetes.podspec-dnspolicy',
  hostAliases: 'kubernetes.podspec-hostaliases',
  hostIPC: 'kubernetes.podspec-hostipc',
  hostNetwork: 'kubernetes.podspec-hostnetwork',
  hostPID: 'kubernetes.podspec-hostpid',
  initContainers: 'kubernetes.podspec-init-containers',
  nodeSelector: 'kubernetes.podspec-nodeselector',
  priorityClassName: 'kubernetes.podspec-priorityclassname',
  runtimeClassName: 'kubernetes.podspec-runtimeclassname',
  schedulerName: 'kubernetes.podspec-schedulername',
  securityContext: 'kubernetes.podspec-securitycontext',
  shareProcessNamespace: 'kubernetes.podspec-shareprocessnamespace',
  tolerations: 'kubernetes.podspec-tolerations',
  topologySpreadConstraints: 'kubernetes.podspec-topologyspreadconstraints',
};
const VOLUMES: Record<string, string> = {
  csi: 'kubernetes.podspec-volumes-csi',
  emptyDir: 'kubernetes.podspec-volumes-emptydir',
  ephemeral: 'kubernetes.podspec-volumes-ephemeral',
  hostPath: 'kubernetes.podspec-volumes-hostpath',
  image: 'kubernetes.podspec-volumes-image',
  persistentVolumeClaim: 'kubernetes.podspec-persistent-volume-claim',
};
const WRITE = 'kubernetes.podspec-persistent-volume-write';
const FIELD_REF = 'kubernetes.podspec-fieldref';
const ADD_CAPABILITIES = 'kubernetes.containerspec-addcapabilities';
const PROPAGATION = 'kubernetes.podspec-volumes-mount-propagation';
const MULTI = 'multi-container';
const MULTI_PROBING = 'multi-container-probing';
const OTHERS = [
  'autodetect-http2',
  'queueproxy.mount-podinfo',
  'queueproxy.resource-defaults',
  'secure-pod-defaults',
  'tag-header-based-routing',
];

export const FLAGS: ReadonlySet<string> = new Set([
  ...Object.values(POD_FIELDS),
  ...Object.values(VOLUMES),
  WRITE,
  FIELD_REF,
  ADD_CAPABILITIES,
  PROPAGATION,
  MULTI,
  MULTI_PROBING,
  ...OTHERS,
]);
/** As Knative is installed. */
export const ENABLED_BY_DEFAULT: ReadonlySet<string> = new Set([MULTI, VOLUMES.emptyDir as string]);

export interface Need {
  flag: string;
  path: Path;
}

interface Container {
  env?: { valueFrom?: { fieldRef?: unknown; resourceFieldRef?: unknown } }[];
  volumeMounts?: { mountPropagation?: string }[];
  securityContext?: { capabilities?: { add?: unknown[] } };
  ports?: unknown[];
  livenessProbe?: unknown;
  readinessProbe?: unknown;
  startupProbe?: unknown;
}

/** The flags that a Knative Service cannot do without, and the field that needs each. */
export function flagsNeeded({ spec }: KubernetesObject): Need[] {
  const pod = spec?.template?.spec ?? {};
  const at: Path = ['spec', 'template', 'spec'];
  const needs: Need[] = [];
  const need = (flag: string | undefined, ...path: (string | number)[]) => {
    if (flag) needs.push({ flag, path: [...at, ...path] });
  };
  for (const field of Object.keys(pod)) need(POD_FIELDS[field], field);
  for (const [index, volume] of (pod.volumes ?? []).entries()) {
    for (const source of Object.keys(volume)) need(VOLUMES[source], 'volumes', index, source);
    const claim = volume.persistentVolumeClaim;
    if (claim && claim.readOnly !== true) need(WRITE, 'volumes', index, 'persistentVolumeClaim');
  }
  for (const list of ['containers', 'initContainers']) {
    for (const [index, container] of ((pod[list] ?? []) as Container[]).entries()) {
      for (const [place, { valueFrom }] of (container.env ?? []).entries()) {
        if (valueFrom?.fieldRef || valueFrom?.resourceFieldRef)
          need(FIELD_REF, list, index, 'env', place, 'valueFrom');
      }
      for (const [place, { mountPropagation }] of (container.volumeMounts ?? []).entries()) {
        if (mountPropagation) need(PROPAGATION, list, index, 'volumeMounts', place, 'mountPropagation');
      }
      if (container.securityContext?.capabilities?.add?.length)
        need(ADD_CAPABILITIES, list, index, 'securityContext', 'capabilities', 'add');
    }
  }
  const containers = (pod.containers ?? []) as Container[];
  if (containers.length > 1) {
    need(MULTI, 'containers', 1);
    for (const [index, container] of containers.entries()) {
      const probed = container.livenessProbe ?? container.readinessProbe ?? container.startupProbe;
      if (!container.ports && probed) need(MULTI_PROBING, 'containers', index);
    }
  }
  return needs;
}

const isOn = (value: unknown) => /^(enabled|allowed)$/i.test(String(value));
const isFeatures = ({ kind, metadata }: KubernetesObject) =>
  kind === 'ConfigMap' && metadata.name === 'config-features' && metadata.namespace === 'knative-serving';

/** Every flag that a field needs is enabled by the same overlay, and no flag that nothing needs. */
export function checkFeatures({ rendered }: Overlay): Problem[] {
  const problems: Problem[] = [];
  const settings = rendered.find(({ object }) => isFeatures(object));
  const data: Record<string, string> = settings?.object.data ?? {};
  const needed = new Set<string>();
  for (const service of rendered.filter(({ object }) => isKnativeService(object))) {
    for (const { flag, path } of flagsNeeded(service.object)) {
      needed.add(flag);
      const value = data[flag];
      const on = value === undefined ? ENABLED_BY_DEFAULT.has(flag) : isOn(value);
      if (!on)
        problems.push({ rendered: service, path, message: `needs ${flag}: enabled in config-features` });
    }
  }
  for (const [flag, value] of Object.entries(data)) {
    const say = (message: string) =>
      settings && problems.push({ rendered: settings, path: ['data', flag], message });
    if (!FLAGS.has(flag)) say('Knative knows no such flag');
    else if (!/^(enabled|allowed|disabled)$/i.test(value)) say('must be enabled, allowed or disabled');
    else if (isOn(value) && !needed.has(flag)) say('is enabled, but nothing here needs it');
  }
  return problems;
}
