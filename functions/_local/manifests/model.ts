/** Fields of an object, of whatever its schema allows. */
// biome-ignore lint/suspicious/noExplicitAny: what there is depends on the kind, and is checked against its schema first
export type Fields = Record<string, any>;

/** A Kubernetes object as a kustomization renders it. */
export interface KubernetesObject extends Fields {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    /** Of an object that a cluster has. */
    uid?: string;
  };
}

export type Path = readonly (string | number)[];

/** One object of an overlay, and where in the repository a field of it is written. */
export interface Rendered {
  object: KubernetesObject;
  /** `file:line` of the field, or of the nearest one above it that is written down. */
  at(path: Path): string;
}

/** What is wrong with a field of an object. */
export interface Problem {
  rendered: Rendered;
  path: Path;
  message: string;
}

/** Everything that `kubectl apply -k` would apply. */
export interface Overlay {
  /** Its folder, from the repository's root. */
  name: string;
  rendered: Rendered[];
}

export const idOf = ({ apiVersion, kind }: KubernetesObject): string => `${apiVersion}/${kind}`;

export const SERVICE = 'serving.knative.dev/v1/Service';
export const isKnativeService = (object: KubernetesObject): boolean => idOf(object) === SERVICE;

/** Objects of one kind, by `apiVersion/kind`. */
export const ofKind = (overlay: Overlay, id: string): Rendered[] =>
  overlay.rendered.filter(({ object }) => idOf(object) === id);

/** `metadata.annotations["a.b/c"]`, `spec.containers[0].image`. */
export function showPath(path: Path): string {
  let shown = '';
  for (const part of path) {
    if (typeof part === 'number' || /^\d+$/.test(part)) shown += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) shown += shown === '' ? part : `.${part}`;
    else shown += `[${JSON.stringify(part)}]`;
  }
  return shown;
}

export function valueAt(object: unknown, path: Path): unknown {
  let value = object;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
