import {
  type Fields,
  idOf,
  isKnativeService,
  type KubernetesObject,
  type Overlay,
  ofKind,
} from '../manifests/model.ts';
import { containersOf, podsOf } from '../manifests/pods.ts';
import { SECRETS } from '../manifests/secrets.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';

/** Who defines the kinds that Kubernetes and Knative do not. */
const OPERATORS: Record<string, string> = {
  'autoscaling.k8s.io': 'the Vertical Pod Autoscaler',
  'barmancloud.cnpg.io': "CloudNativePG's Barman Cloud plugin",
  'cert-manager.io': 'cert-manager',
  'eventing.knative.dev': 'Knative Eventing, or its RabbitMQ Broker',
  'monitoring.coreos.com': 'the Prometheus operator',
  'networking.istio.io': 'Istio',
  'postgresql.cnpg.io': 'CloudNativePG',
  'rabbitmq.com': "RabbitMQ's cluster operator",
  'security.istio.io': 'Istio',
  'sources.knative.dev': 'Knative Eventing, or its Kafka sources',
};

/** What the overlay needs of the cluster: definitions, Secrets, GPUs, storage. */
export async function checkNeeds(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  return [
    await checkDefinitions(cluster, overlay),
    ...(await checkSecrets(cluster, overlay)),
    ...(await checkGpus(cluster, overlay)),
    ...(await checkStorage(cluster, overlay)),
  ];
}

async function checkDefinitions(cluster: Cluster, overlay: Overlay): Promise<Finding> {
  const known = new Set<string>();
  for (const { spec } of await cluster.list('customresourcedefinitions')) {
    for (const { name, served } of spec.versions as Fields[]) {
      if (served) known.add(`${spec.group}/${name}/${spec.names.kind}`);
    }
  }
  const missing = new Set<string>();
  for (const { object } of overlay.rendered) {
    const [group = ''] = object.apiVersion.split('/');
    const isCustom = group.includes('.') && !/\.k8s\.io$/.test(group) ? true : group === 'autoscaling.k8s.io';
    if (isCustom && !known.has(idOf(object))) missing.add(idOf(object));
  }
  if (missing.size === 0) return ok('Kinds', 'every kind of the overlay is there');
  const groups = [...new Set([...missing].map((id) => id.split('/')[0] as string))];
  return problem(
    'Kinds',
    `not in this cluster: ${[...missing].join(', ')}`,
    `Install ${groups.map((group) => OPERATORS[group] ?? group).join(', ')}, or leave its component out of the overlay.`,
  );
}

async function checkSecrets(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  const used = new Set<string>();
  const made = new Set(ofKind(overlay, 'v1/Secret').map(({ object }) => object.metadata.name));
  // CloudNativePG makes the one with its address.
  for (const { object } of ofKind(overlay, 'postgresql.cnpg.io/v1/Cluster'))
    made.add(`${object.metadata.name}-app`);
  for (const pod of podsOf(overlay)) {
    for (const { container } of containersOf(pod)) {
      for (const { valueFrom } of container.env ?? []) {
        const reference = valueFrom?.secretKeyRef;
        if (reference && !reference.optional) used.add(reference.name);
      }
    }
  }
  for (const { object } of ofKind(overlay, 'sources.knative.dev/v1alpha1/IntegrationSource')) {
    const name = object.spec.aws?.auth?.secret?.ref?.name;
    if (name) used.add(name);
  }
  const findings: Finding[] = [];
  for (const name of [...used].filter((one) => one in SECRETS && !made.has(one))) {
    const { namespace, keys, what } = SECRETS[name] as (typeof SECRETS)[string];
    const secret = await cluster.get('secret', name, namespace);
    const missing = keys.filter((key) => !(key in (secret?.data ?? {})));
    if (missing.length === 0) findings.push(ok(`Secret ${name}`, `has ${keys.join(', ')}`));
    else {
      const literals = keys.map((key) => `--from-literal=${key}=…`).join(' ');
      const detail = secret ? `has no ${missing.join(', ')}` : `is not there: ${what}`;
      findings.push(
        problem(
          `Secret ${name}`,
          detail,
          `kubectl create secret generic ${name} --namespace ${namespace} ${literals}`,
        ),
      );
    }
  }
  return findings;
}

async function checkGpus(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  const wanted = new Set<string>();
  for (const pod of podsOf(overlay)) {
    for (const { container } of containersOf(pod)) {
      for (const name of Object.keys(container.resources?.limits ?? {}))
        if (name.startsWith('nvidia.com/')) wanted.add(name);
    }
  }
  if (wanted.size === 0) return [];
  const nodes = await cluster.list('nodes');
  return [...wanted].map((name) => {
    const total = nodes.reduce((sum, { status }) => sum + Number(status.allocatable?.[name] ?? 0), 0);
    if (total > 0) return ok(name, `${total} on ${nodes.length} nodes`);
    return warning(
      name,
      'no node offers any',
      "Where nodes come by autoscaling that may be right. Else: is NVIDIA's GPU operator installed, and (for slices) MIG set on the nodes?",
    );
  });
}

async function checkStorage(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  const claims: Fields[] = [
    ...ofKind(overlay, 'v1/PersistentVolumeClaim').map(({ object }) => object.spec),
    ...ofKind(overlay, 'apps/v1/StatefulSet').flatMap(({ object }) =>
      (object.spec.volumeClaimTemplates ?? []).map(({ spec }: Fields) => spec),
    ),
  ];
  if (claims.every(({ storageClassName }) => storageClassName !== undefined)) return [];
  const classes = await cluster.list('storageclasses');
  const standard = classes.find(
    ({ metadata }) => metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true',
  );
  if (!standard)
    return [
      problem(
        'Storage',
        'there is no default storage class',
        'Mark one as default, or name one in each claim.',
      ),
    ];
  const shared = claims.some(({ accessModes = [] }) => accessModes.includes('ReadWriteMany'));
  if (!shared) return [ok('Storage', `default class ${standard.metadata.name}`)];
  return [
    warning(
      'Storage',
      `default class ${standard.metadata.name}`,
      'Make sure that it can do ReadWriteMany, which the model cache needs.',
    ),
  ];
}

/** What is deployed, and whether it is ready. Nothing of it has to be there yet. */
export async function checkDeployed(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const kinds: [resource: string, kind: string][] = [
    ['services.serving.knative.dev', 'Service'],
    ['brokers.eventing.knative.dev', 'Broker'],
    ['triggers.eventing.knative.dev', 'Trigger'],
    ['pingsources.sources.knative.dev', 'PingSource'],
    ['sinkbindings.sources.knative.dev', 'SinkBinding'],
  ];
  const findings: Finding[] = [];
  for (const [resource, kind] of kinds) {
    const objects = await cluster.list(resource, namespace);
    if (objects.length === 0) continue;
    const waiting = objects.filter((object) => readiness(object)?.status !== 'True');
    if (waiting.length === 0) findings.push(ok(`${kind}s`, `${objects.length} ready`));
    for (const object of waiting) {
      const { reason = 'Unknown', message = 'not ready' } = readiness(object) ?? {};
      findings.push(
        problem(
          `${kind} ${object.metadata.name}`,
          `${reason}: ${message}`,
          `kubectl describe ${resource} ${object.metadata.name} --namespace ${namespace}`,
        ),
      );
    }
  }
  return findings.length > 0
    ? findings
    : [warning('Knarr', `nothing is deployed in ${namespace}`, 'knarr deploy <overlay>')];
}

const readiness = ({ status }: KubernetesObject): Fields | undefined =>
  ((status?.conditions ?? []) as Fields[]).find(({ type }) => type === 'Ready');

export const namespaceOf = (overlay: Overlay): string =>
  overlay.rendered.find(({ object }) => isKnativeService(object))?.object.metadata.namespace ?? 'knarr';
