import { type Fields, idOf, type Overlay, type Path, type Rendered, valueAt } from './model.ts';
import type { Labels } from './selectors.ts';

/** A pod that an object makes. */
export interface Pod {
  rendered: Rendered;
  /** Of the pod's spec within the object. */
  path: Path;
  spec: PodSpec;
  labels: Labels;
  namespace: string;
}
export interface PodSpec extends Fields {
  serviceAccountName?: string;
  containers?: Container[];
  initContainers?: Container[];
  volumes?: Fields[];
}
export interface Container extends Fields {
  name: string;
  image: string;
  env?: EnvVar[];
}
export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: {
    configMapKeyRef?: KeyReference;
    secretKeyRef?: KeyReference;
  };
}
export interface KeyReference {
  name: string;
  key: string;
  optional?: boolean;
}

const TEMPLATES: Record<string, Path> = {
  'serving.knative.dev/v1/Service': ['spec', 'template'],
  'apps/v1/Deployment': ['spec', 'template'],
  'apps/v1/StatefulSet': ['spec', 'template'],
  'apps/v1/DaemonSet': ['spec', 'template'],
  'batch/v1/Job': ['spec', 'template'],
  'batch/v1/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'sources.knative.dev/v1/ContainerSource': ['spec', 'template'],
};

export function podsOf({ rendered }: Overlay): Pod[] {
  return rendered.flatMap((one) => {
    const path = TEMPLATES[idOf(one.object)];
    if (!path) return [];
    const template = valueAt(one.object, path) as Fields | undefined;
    const { name, namespace = 'default' } = one.object.metadata;
    const own: Labels = idOf(one.object).startsWith('serving.')
      ? { 'serving.knative.dev/service': name }
      : {};
    const labels = { ...template?.metadata?.labels, ...own };
    return [{ rendered: one, path: [...path, 'spec'], spec: template?.spec ?? {}, labels, namespace }];
  });
}

/** Every container of a pod with its path. */
export function containersOf({ spec, path }: Pod): { container: Container; path: Path; isInit: boolean }[] {
  return (['initContainers', 'containers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({
      container,
      path: [...path, list, index],
      isInit: list === 'initContainers',
    })),
  );
}
