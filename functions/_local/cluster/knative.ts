import { ENABLED_BY_DEFAULT, flagsNeeded } from '../manifests/features.ts';
import { isKnativeService, type Overlay, ofKind } from '../manifests/model.ts';
import { type Finding, isAtLeast, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';

const KUBERNETES = '1.31';
const KNATIVE = '1.15';
const SERVING = 'knative-serving';
const EVENTING = 'knative-eventing';
const INSTALL = 'https://knative.dev/docs/install/';

/** Kubernetes, Knative, its ingress, feature flags and the Broker's class. */
export async function checkKnative(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  return [
    await checkKubernetes(cluster),
    await checkPart(cluster, 'Knative Serving', SERVING, 'controller'),
    await checkPart(cluster, 'Knative Eventing', EVENTING, 'eventing-controller'),
    await checkIngress(cluster),
    await checkFlags(cluster, overlay),
    ...(await checkBroker(cluster, overlay)),
  ];
}

async function checkKubernetes(cluster: Cluster): Promise<Finding> {
  const { serverVersion } = await cluster.json('version');
  const version: string = serverVersion.gitVersion;
  if (isAtLeast(version, KUBERNETES)) return ok('Kubernetes', version);
  return problem('Kubernetes', `${version} is older than ${KUBERNETES}`, 'Upgrade the cluster.');
}

async function checkPart(cluster: Cluster, what: string, namespace: string, name: string): Promise<Finding> {
  const deployment = await cluster.get('deployment', name, namespace);
  if (!deployment) return problem(what, `there is no ${name} in ${namespace}`, `Install it: ${INSTALL}`);
  const version = deployment.metadata.labels?.['app.kubernetes.io/version'] ?? 'of unknown version';
  const { readyReplicas = 0 } = deployment.status ?? {};
  if (readyReplicas === 0)
    return problem(
      what,
      'its controller is not ready',
      `kubectl describe deployment ${name} --namespace ${namespace}`,
    );
  // Built from its sources it has no number.
  if (!/\d/.test(version)) return warning(what, `${version}`, `Make sure that it is ${KNATIVE} or newer.`);
  if (isAtLeast(version, KNATIVE)) return ok(what, version);
  return problem(what, `${version} is older than ${KNATIVE}`, `Upgrade it: ${INSTALL}`);
}

async function checkIngress(cluster: Cluster): Promise<Finding> {
  const settings = await cluster.get('configmap', 'config-network', SERVING);
  const name = settings?.data?.['ingress-class'] ?? settings?.data?.['ingress.class'];
  if (name !== undefined) return ok('Ingress', name);
  return problem(
    'Ingress',
    'config-network names no ingress-class',
    `Install Kourier or Istio for Knative, and set ingress-class: ${INSTALL}`,
  );
}

const isOn = (value: unknown) => /^(enabled|allowed)$/i.test(String(value));

/** Those that the overlay sets itself come with it. */
async function checkFlags(cluster: Cluster, overlay: Overlay): Promise<Finding> {
  const needed = overlay.rendered
    .filter(({ object }) => isKnativeService(object))
    .flatMap(({ object }) => flagsNeeded(object));
  const flags = [...new Set(needed.map(({ flag }) => flag))];
  const own = ofKind(overlay, 'v1/ConfigMap').find(
    ({ object }) => object.metadata.name === 'config-features',
  );
  const installed = await cluster.get('configmap', 'config-features', SERVING);
  const set: Record<string, string> = { ...installed?.data, ...own?.object.data };
  const missing = flags.filter((flag) =>
    set[flag] === undefined ? !ENABLED_BY_DEFAULT.has(flag) : !isOn(set[flag]),
  );
  if (missing.length === 0)
    return ok(
      'Feature flags',
      flags.filter((flag) => !ENABLED_BY_DEFAULT.has(flag)).join(', ') || 'none needed',
    );
  const data = JSON.stringify({ data: Object.fromEntries(missing.map((flag) => [flag, 'enabled'])) });
  return problem(
    'Feature flags',
    `needed, but not enabled: ${missing.join(', ')}`,
    `kubectl patch configmap config-features --namespace ${SERVING} --patch '${data}'`,
  );
}

/** Deployments that make a Broker of each class work. */
const CLASSES: Record<string, { deployment: string; install: string }> = {
  MTChannelBasedBroker: { deployment: 'mt-broker-controller', install: 'the multi-tenant channel Broker' },
  Kafka: { deployment: 'kafka-controller', install: "Knative's Kafka Broker" },
  RabbitMQBroker: { deployment: 'rabbitmq-broker-controller', install: "Knative's RabbitMQ Broker" },
};

async function checkBroker(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { object } of ofKind(overlay, 'eventing.knative.dev/v1/Broker')) {
    const name = object.metadata.annotations?.['eventing.knative.dev/broker.class'] ?? '';
    const known = CLASSES[name];
    if (!known) continue;
    const deployment = await cluster.get('deployment', known.deployment, EVENTING);
    const what = `Broker class ${name}`;
    if (deployment?.status?.readyReplicas > 0) findings.push(ok(what, `${known.deployment} is ready`));
    else if (deployment)
      findings.push(
        problem(
          what,
          `${known.deployment} is not ready`,
          `kubectl describe deployment ${known.deployment} --namespace ${EVENTING}`,
        ),
      );
    else
      findings.push(problem(what, `there is no ${known.deployment}`, `Install ${known.install}: ${INSTALL}`));
  }
  return findings;
}
