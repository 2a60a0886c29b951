import { type Fields, type Overlay, ofKind, type Problem, type Rendered } from '../model.ts';
import { type Pod, podsOf } from '../pods.ts';
import { type Labels, selects } from '../selectors.ts';

const POLICY = 'networking.k8s.io/v1/NetworkPolicy';

/**
 * Pods that operators and Knative make of other objects, by the labels they give them: policies select these too.
 * (CloudNativePG; Knative's RabbitMQ Broker; EventTransform; cert-manager.)
 */
const MADE: Record<string, (object: Fields) => Labels[]> = {
  'postgresql.cnpg.io/v1/Cluster': ({ metadata }) => [{ 'cnpg.io/cluster': metadata.name }],
  'eventing.knative.dev/v1alpha1/RabbitmqBrokerConfig': () => [
    { 'eventing.knative.dev/brokerRole': 'ingress' },
    { 'eventing.knative.dev/brokerRole': 'dispatcher' },
  ],
  'eventing.knative.dev/v1alpha1/EventTransform': () => [
    { 'eventing.knative.dev/event-transform-jsonata': 'true' },
  ],
  'cert-manager.io/v1/ClusterIssuer': () => [{ 'acme.cert-manager.io/http01-solver': 'true' }],
};

type Labelled = Pick<Pod, 'labels' | 'namespace'>;

/** Default deny is there; every policy and peer selects something; an edge between two pods of ours is open at both ends. */
export function checkNetwork(overlay: Overlay): Problem[] {
  const policies = ofKind(overlay, POLICY);
  const pods: Labelled[] = podsOf(overlay);
  const home = pods.find(({ labels }) => labels['knarr.dev/stage'])?.namespace ?? '';
  for (const { object } of overlay.rendered) {
    const made = MADE[`${object.apiVersion}/${object.kind}`]?.(object) ?? [];
    // What belongs to no namespace makes pods where it is used: beside the stages.
    for (const labels of made) pods.push({ labels, namespace: object.metadata.namespace ?? home });
  }
  // Functions that `kn func` deploys are not in the overlay.
  if (!pods.some(({ labels }) => labels['knarr.dev/stage'])) return [];
  return [
    ...checkDenied(overlay, policies),
    ...policies.flatMap((policy) => checkPolicy(policy, policies, pods)),
  ];
}

function checkDenied(overlay: Overlay, policies: readonly Rendered[]): Problem[] {
  const spaces = new Set(
    podsOf(overlay)
      .filter(({ labels }) => labels['knarr.dev/stage'])
      .map(({ namespace }) => namespace),
  );
  return [...spaces].flatMap((namespace): Problem[] => {
    const denied = policies.some(({ object: { metadata, spec } }) => {
      const all = Object.keys(spec.podSelector ?? {}).length === 0;
      return (
        metadata.namespace === namespace &&
        all &&
        spec.policyTypes?.length === 2 &&
        !spec.ingress &&
        !spec.egress
      );
    });
    const [first] = podsOf(overlay);
    if (denied || !first) return [];
    return [
      {
        rendered: first.rendered,
        path: ['metadata', 'namespace'],
        message: `nothing denies by default in ${namespace}`,
      },
    ];
  });
}

function checkPolicy(
  rendered: Rendered,
  policies: readonly Rendered[],
  pods: readonly Labelled[],
): Problem[] {
  const { metadata, spec } = rendered.object;
  const problems: Problem[] = [];
  const selected = pods.filter(
    (pod) => pod.namespace === metadata.namespace && selects(spec.podSelector ?? {}, pod.labels),
  );
  if (selected.length === 0)
    problems.push({ rendered, path: ['spec', 'podSelector'], message: 'selects no pod' });
  for (const [direction, list] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    if (spec[direction] && !spec.policyTypes?.includes(direction === 'ingress' ? 'Ingress' : 'Egress'))
      problems.push({ rendered, path: ['spec', 'policyTypes'], message: `does not contain ${direction}` });
    for (const [index, rule] of ((spec[direction] ?? []) as Fields[]).entries()) {
      for (const [place, peer] of ((rule[list] ?? []) as Fields[]).entries()) {
        const path = ['spec', direction, index, list, place];
        if (peer.ipBlock || peer.namespaceSelector) continue;
        const others = pods.filter(
          (pod) => pod.namespace === metadata.namespace && selects(peer.podSelector ?? {}, pod.labels),
        );
        if (others.length === 0) problems.push({ rendered, path, message: 'selects no pod' });
        const port: number | undefined = rule.ports?.[0]?.port;
        const other = direction === 'ingress' ? 'egress' : 'ingress';
        const shut = others.find(
          (pod) => !selected.every((peerOfIt) => lets(policies, other, pod, peerOfIt, port)),
        );
        if (shut) {
          const way = other === 'ingress' ? 'lets it in at' : 'lets it out of';
          problems.push({
            rendered,
            path,
            message: `no policy ${way} ${nameOf(shut)}${port ? `, port ${port}` : ''}`,
          });
        }
      }
    }
  }
  return problems;
}

const nameOf = ({ labels }: Labelled) => labels['app.kubernetes.io/name'] ?? JSON.stringify(labels);

/** Whether some policy of `pod` lets through what goes between it and `peer`. */
function lets(
  policies: readonly Rendered[],
  direction: 'ingress' | 'egress',
  pod: Labelled,
  peer: Labelled,
  port: number | undefined,
): boolean {
  return policies.some(({ object: { metadata, spec } }) => {
    if (metadata.namespace !== pod.namespace || !selects(spec.podSelector ?? {}, pod.labels)) return false;
    return ((spec[direction] ?? []) as Fields[]).some((rule) => {
      const peers: Fields[] = rule[direction === 'ingress' ? 'from' : 'to'] ?? [];
      const byPeer =
        peers.length === 0 ||
        peers.some(({ podSelector }) => podSelector && selects(podSelector, peer.labels));
      const ports: Fields[] = rule.ports ?? [];
      return byPeer && (ports.length === 0 || port === undefined || ports.some((open) => open.port === port));
    });
  });
}
