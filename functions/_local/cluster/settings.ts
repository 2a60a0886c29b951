import { type Fields, type KubernetesObject, type Overlay, ofKind, SERVICE } from '../manifests/model.ts';
import type { EnvVar } from '../manifests/pods.ts';
import type { Cluster } from './kubectl.ts';

/** A value of a Secret, as text. */
export const decode = (secret: Fields | undefined, key: string): string | undefined =>
  secret?.data?.[key] && Buffer.from(secret.data[key], 'base64').toString();

/**
 * The variables of a stage, as its Service in the cluster has them; before it is deployed, as the overlay has. What is
 * in a Secret or ConfigMap is read there; what is in none, or may not be read, is left out. Undefined: there is no such
 * Service.
 */
export async function variablesOf(
  cluster: Cluster,
  overlay: Overlay,
  stage: string,
  namespace: string,
): Promise<Record<string, string> | undefined> {
  const named = (id: string, name: string): KubernetesObject | undefined =>
    ofKind(overlay, id).find(({ object }) => object.metadata.name === name)?.object;
  const service =
    (await cluster.get('services.serving.knative.dev', stage, namespace)) ?? named(SERVICE, stage);
  if (!service) return undefined;
  const read = new Map<string, Promise<KubernetesObject | undefined>>();
  const holder = (kind: 'Secret' | 'ConfigMap', name: string) => {
    const id = `${kind}/${name}`;
    const found =
      read.get(id) ??
      cluster
        .get(kind.toLowerCase(), name, namespace)
        .catch(() => undefined)
        .then((object) => object ?? named(`v1/${kind}`, name));
    read.set(id, found);
    return found;
  };
  const variables: Record<string, string> = {};
  const env: EnvVar[] = service.spec?.template?.spec?.containers?.[0]?.env ?? [];
  for (const { name, value, valueFrom } of env) {
    const { secretKeyRef: secret, configMapKeyRef: map } = valueFrom ?? {};
    const text =
      value ??
      (secret && decode(await holder('Secret', secret.name), secret.key)) ??
      (map && (await holder('ConfigMap', map.name))?.data?.[map.key]);
    if (text !== undefined) variables[name] = text;
  }
  return variables;
}

/** The Service of the cluster that a host name means; undefined for what is outside. */
export async function serviceAt(
  cluster: Cluster,
  hostname: string,
  namespace: string,
): Promise<{ name: string; namespace: string } | undefined> {
  const [name = '', space = namespace] = hostname.split('.');
  if (/^[\d.]+$|:/.test(hostname)) return undefined;
  const isInside =
    !hostname.includes('.') ||
    /\.svc(\.|$)/.test(hostname) ||
    (await cluster.get('service', name, space)) !== undefined;
  return isInside ? { name, namespace: space } : undefined;
}
