import {
  type Fields,
  idOf,
  type KubernetesObject,
  type Overlay,
  ofKind,
  type Path,
  type Problem,
} from '../model.ts';
import { containersOf, type KeyReference, type Pod, podsOf } from '../pods.ts';
import { SECRETS } from '../secrets.ts';

/** Whatever is named exists: in this overlay, or among the Secrets that an installation is given. */
export function checkReferences(overlay: Overlay): Problem[] {
  const known = namesOf(overlay);
  return [
    ...podsOf(overlay).flatMap((pod) => checkPod(pod, known)),
    ...ofKind(overlay, 'barmancloud.cnpg.io/v1/ObjectStore').flatMap((rendered) => {
      const { s3Credentials = {} } = rendered.object.spec.configuration;
      return Object.entries(s3Credentials as Record<string, KeyReference>).flatMap(([name, reference]) => {
        const path = ['spec', 'configuration', 's3Credentials', name];
        return checkSecret(reference, rendered.object.metadata.namespace ?? '', known).map((message) => ({
          rendered,
          path,
          message,
        }));
      });
    }),
  ];
}

interface Known {
  /** `kind/namespace/name` of every object. */
  objects: ReadonlySet<string>;
  configMaps: ReadonlyMap<string, ReadonlySet<string>>;
  secrets: ReadonlyMap<string, ReadonlySet<string>>;
}

const keyOf = ({ metadata }: KubernetesObject) => `${metadata.namespace}/${metadata.name}`;
const keysOf = (...maps: (Record<string, unknown> | undefined)[]) =>
  new Set(maps.flatMap((map) => Object.keys(map ?? {})));

function namesOf({ rendered }: Overlay): Known {
  const objects = new Set<string>();
  const configMaps = new Map<string, ReadonlySet<string>>();
  const secrets = new Map<string, ReadonlySet<string>>();
  for (const [name, { namespace, keys }] of Object.entries(SECRETS))
    secrets.set(`${namespace}/${name}`, new Set(keys));
  for (const { object } of rendered) {
    objects.add(`${object.kind}/${keyOf(object)}`);
    const { namespace, name } = object.metadata;
    switch (idOf(object)) {
      case 'v1/ConfigMap':
        configMaps.set(keyOf(object), keysOf(object.data, object.binaryData));
        break;
      case 'v1/Secret':
        secrets.set(keyOf(object), keysOf(object.data, object.stringData));
        break;
      case 'cert-manager.io/v1/Certificate':
        secrets.set(`${namespace}/${object.spec.secretName}`, new Set(['tls.crt', 'tls.key', 'ca.crt']));
        break;
      case 'postgresql.cnpg.io/v1/Cluster':
        secrets.set(
          `${namespace}/${name}-app`,
          new Set(['uri', 'username', 'password', 'dbname', 'host', 'port']),
        );
        break;
    }
  }
  return { objects, configMaps, secrets };
}

function checkPod(pod: Pod, known: Known): Problem[] {
  const problems: Problem[] = [];
  const say = (path: Path, message: string) => problems.push({ rendered: pod.rendered, path, message });
  const { spec, path, namespace } = pod;
  const account = spec.serviceAccountName;
  if (namespace !== 'knarr-sources' && !known.objects.has(`ServiceAccount/${namespace}/${account}`))
    say([...path, 'serviceAccountName'], `there is no ServiceAccount ${account ?? '(none is named)'}`);

  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const at = [...path, 'volumes', index];
    const { configMap, secret, persistentVolumeClaim: claim } = volume;
    const items = (source: Fields): string[] => (source.items ?? []).map(({ key }: { key: string }) => key);
    if (configMap) {
      for (const message of checkConfigMap(configMap.name ?? '', items(configMap), namespace, known))
        say([...at, 'configMap', 'name'], message);
    }
    if (secret) {
      for (const key of items(secret).length > 0 ? items(secret) : [undefined]) {
        const reference = { name: secret.secretName ?? '', key, optional: secret.optional };
        for (const message of checkSecret(reference, namespace, known))
          say([...at, 'secret', 'secretName'], message);
      }
    }
    if (claim && !known.objects.has(`PersistentVolumeClaim/${namespace}/${claim.claimName}`))
      say(
        [...at, 'persistentVolumeClaim', 'claimName'],
        `there is no PersistentVolumeClaim ${claim.claimName}`,
      );
  }

  for (const { container, path: at } of containersOf(pod)) {
    const set = new Set<string>();
    for (const [index, { name, value, valueFrom }] of (container.env ?? []).entries()) {
      const where = [...at, 'env', index];
      if (set.has(name)) say([...where, 'name'], `${name} is set twice`);
      const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {};
      if (map) {
        for (const message of checkConfigMap(map.name, [map.key], namespace, known))
          say([...where, 'valueFrom', 'configMapKeyRef'], message);
      }
      if (secret) {
        for (const message of checkSecret(secret, namespace, known))
          say([...where, 'valueFrom', 'secretKeyRef'], message);
      }
      // Kubernetes leaves what it cannot expand as it is, and so does nobody else notice.
      for (const unset of unexpanded(value ?? '', set))
        say([...where, 'value'], `$(${unset}) is not set before it`);
      set.add(name);
    }
    for (const field of ['command', 'args']) {
      for (const [index, text] of (container[field] ?? []).entries()) {
        for (const unset of unexpanded(text, set)) say([...at, field, index], `$(${unset}) is not in env`);
      }
    }
  }
  return problems;
}

const unexpanded = (text: string, set: ReadonlySet<string>) =>
  [...text.matchAll(/(?<!\$)\$\((\w+)\)/g)]
    .map(([, name]) => name as string)
    .filter((name) => !set.has(name));

function checkConfigMap(
  name: string,
  keys: readonly string[],
  namespace: string,
  { configMaps }: Known,
): string[] {
  const known = configMaps.get(`${namespace}/${name}`);
  if (!known) return [`there is no ConfigMap ${name}`];
  return keys.filter((key) => !known.has(key)).map((key) => `ConfigMap ${name} has no key ${key}`);
}

function checkSecret(
  { name, key, optional }: { name: string; key: string | undefined; optional?: boolean },
  namespace: string,
  { secrets }: Known,
): string[] {
  const known = secrets.get(`${namespace}/${name}`);
  if (!known)
    return optional
      ? []
      : [`nothing makes a Secret ${name}, and functions/_local/manifests/secrets.ts does not list it`];
  return key === undefined || known.has(key) ? [] : [`Secret ${name} has no key ${key}`];
}
