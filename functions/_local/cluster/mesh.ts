import { type Overlay, ofKind } from '../manifests/model.ts';
import { type Finding, ok, problem } from './finding.ts';
import type { Cluster } from './kubectl.ts';

const SERVING = 'knative-serving';

/** What an overlay with a mesh needs of Istio and of Knative's own pods. */
export async function checkMesh(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  if (ofKind(overlay, 'security.istio.io/v1/PeerAuthentication').length === 0) return [];
  return [await checkSeccomp(cluster), await checkActivator(cluster)];
}

/** Under "restricted" a pod whose sidecar names no profile is refused; Knative lets nobody set one for the whole pod. */
async function checkSeccomp(cluster: Cluster): Promise<Finding> {
  const injector = await cluster.get('configmap', 'istio-sidecar-injector', 'istio-system');
  if (!injector)
    return problem('Istio', 'there is no sidecar injector in istio-system', 'Install Istio 1.28 or newer.');
  const profile = JSON.parse(injector.data?.values ?? '{}').global?.proxy?.seccompProfile?.type;
  if (profile === 'RuntimeDefault') return ok('Istio', 'sidecars have the seccomp profile RuntimeDefault');
  return problem(
    'Istio',
    'sidecars have no seccomp profile, which "restricted" demands',
    'Install it with global.proxy.seccompProfile.type=RuntimeDefault (1.28 or newer).',
  );
}

/** Stages take requests by mutual TLS only: the activator sends them on, and needs a certificate of the mesh. */
async function checkActivator(cluster: Cluster): Promise<Finding> {
  const space = await cluster.get('namespace', SERVING);
  const activator = await cluster.get('deployment', 'activator', SERVING);
  const { labels = {}, annotations = {} } = activator?.spec?.template?.metadata ?? {};
  const own = labels['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject'];
  const all = space?.metadata.labels?.['istio-injection'] === 'enabled';
  if (own === 'true' || (all && own !== 'false')) return ok('Mesh', "Knative's activator is in it");
  return problem(
    'Mesh',
    "Knative's activator has no sidecar: stages refuse what it sends",
    `kubectl label namespace ${SERVING} istio-injection=enabled, then restart the deployments there`,
  );
}
