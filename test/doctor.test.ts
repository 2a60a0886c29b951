import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { examine } from '../functions/_local/cli/commands/doctor.ts';
import { type Finding, isAtLeast } from '../functions/_local/cluster/finding.ts';
import { createCluster } from '../functions/_local/cluster/kubectl.ts';
import type { KubernetesObject } from '../functions/_local/manifests/model.ts';
import { hasKubectl, renderOverlay } from '../functions/_local/manifests/render.ts';
import { type ApiServer, startApiServer } from './support/api-server.ts';
import { controller, definition, KNATIVE, object, settings } from './support/cluster-objects.ts';

/** knarr doctor, by the real kubectl, against clusters that are well or lack something. */

const root = fileURLToPath(new URL('..', import.meta.url));
const servers: ApiServer[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) await server.close();
});

/** A small cluster with Knative and its in-memory Broker. */
const SMALL = [
  controller('controller', 'knative-serving'),
  controller('eventing-controller', 'knative-eventing'),
  controller('mt-broker-controller', 'knative-eventing'),
  settings('config-network', { 'ingress-class': 'kourier.ingress.networking.knative.dev' }),
  settings('config-features', { 'kubernetes.podspec-nodeselector': 'disabled' }),
  object('v1', 'Node', 'one', undefined, { status: { allocatable: { cpu: '2' } } }),
  ...KNATIVE.map(definition),
];

async function examined(
  overlay: string,
  version: string,
  objects: readonly KubernetesObject[],
): Promise<Finding[]> {
  const server = await startApiServer(version, objects);
  servers.push(server);
  vi.stubEnv('KUBECONFIG', server.kubeconfig);
  const findings = await examine(createCluster(), root, overlay);
  expect(server.requests.filter((line) => !line.startsWith('GET '))).toEqual([]);
  return findings;
}
const of = (findings: readonly Finding[], status: Finding['status']) =>
  findings.filter((finding) => finding.status === status).map(({ what, detail }) => `${what}: ${detail}`);

describe.skipIf(!hasKubectl() && process.env.CI !== 'true')('doctor', () => {
  test('a cluster that has all that `local` needs', async () => {
    const findings = await examined('knative/overlays/local', 'v1.33.1', SMALL);
    expect(of(findings, 'problem')).toEqual([]);
    expect(of(findings, 'warning')).toEqual(['Knarr: nothing is deployed in knarr']);
    expect(of(findings, 'ok')).toEqual(
      expect.arrayContaining([
        'Kubernetes: v1.33.1',
        'Knative Serving: 1.19.0',
        'Broker class MTChannelBasedBroker: mt-broker-controller is ready',
        'Feature flags: none needed',
      ]),
    );
  });

  test('a cluster that is too old, and half installed', async () => {
    const findings = await examined('knative/overlays/local', 'v1.29.4', [
      controller('controller', 'knative-serving', '1.12.3'),
      controller('mt-broker-controller', 'knative-eventing', '1.12.3', 0),
      settings('config-network', {}),
      ...KNATIVE.slice(0, 3).map(definition),
    ]);
    expect(of(findings, 'problem')).toEqual([
      'Kubernetes: v1.29.4 is older than 1.31',
      'Knative Serving: 1.12.3 is older than 1.15',
      'Knative Eventing: there is no eventing-controller in knative-eventing',
      'Ingress: config-network names no ingress-class',
      'Broker class MTChannelBasedBroker: mt-broker-controller is not ready',
      'Kinds: not in this cluster: sources.knative.dev/v1/PingSource, sources.knative.dev/v1/SinkBinding',
    ]);
    for (const { status, fix } of findings) if (status !== 'ok') expect(fix).toBeTruthy();
  });

  test('an overlay that needs much of a small cluster', async () => {
    const findings = await examined('knative/overlays/gpu', 'v1.33.1', SMALL);
    const problems = of(findings, 'problem');
    expect(problems).toEqual(
      expect.arrayContaining([
        'Broker class RabbitMQBroker: there is no rabbitmq-broker-controller',
        expect.stringMatching(/^Kinds: not in this cluster: .*cert-manager.io\/v1\/Certificate/),
        expect.stringMatching(/^Secret s3: is not there/),
        expect.stringMatching(/^Secret qdrant: is not there/),
        'Storage: there is no default storage class',
      ]),
    );
    // The overlay brings its flags itself; CloudNativePG makes the Secret with the database's address.
    expect(problems.join()).not.toMatch(/Feature flags|postgres-app/);
    expect(of(findings, 'warning')).toContain('nvidia.com/gpu: no node offers any');
    const fixes = findings.map(({ fix }) => fix).join('\n');
    expect(fixes).toContain(
      'kubectl create secret generic s3 --namespace knarr --from-literal=access-key-id=… --from-literal=secret-access-key=…',
    );
    expect(fixes).toMatch(/Install .*cert-manager/);
  });

  test('a mesh that Knative itself is not in', async () => {
    const injector = (type?: string) =>
      object('v1', 'ConfigMap', 'istio-sidecar-injector', 'istio-system', {
        data: { values: JSON.stringify({ global: { proxy: type ? { seccompProfile: { type } } : {} } }) },
      });
    const activator = controller('activator', 'knative-serving');
    const outside = await examined('knative/overlays/production', 'v1.33.1', [
      ...SMALL,
      activator,
      injector(),
    ]);
    const about = (findings: readonly Finding[]) =>
      findings.filter(({ what }) => /^(Istio|Mesh)$/.test(what)).map(({ status }) => status);
    expect(about(outside)).toEqual(['problem', 'problem']);
    const space = object('v1', 'Namespace', 'knative-serving', undefined, {
      metadata: { labels: { 'istio-injection': 'enabled' } },
    });
    const inside = await examined('knative/overlays/production', 'v1.33.1', [
      ...SMALL,
      activator,
      space,
      injector('RuntimeDefault'),
    ]);
    expect(about(inside)).toEqual(['ok', 'ok']);
  });

  test.each([
    ['169.254.20.10', 'ok', 'NodeLocal DNSCache at 169.254.20.10 may be asked'],
    [
      '169.254.20.10,10.96.0.10',
      'warning',
      'NodeLocal DNSCache listens at 10.96.0.10, which no policy allows',
    ],
  ])('a DNS cache on each node, at %s', async (addresses, status, detail) => {
    const args = ['-localip', addresses, '-conf', '/etc/Corefile'];
    const findings = await examined('knative/overlays/local', 'v1.33.1', [
      ...SMALL,
      object('apps/v1', 'DaemonSet', 'node-local-dns', 'kube-system', {
        spec: { template: { spec: { containers: [{ name: 'node-cache', args }] } } },
      }),
    ]);
    expect(findings.filter(({ what }) => what === 'DNS')).toMatchObject([{ status, detail }]);
  });

  test('names that OpenShift resolves', async () => {
    const there = [...SMALL, object('v1', 'Namespace', 'openshift-dns')];
    const closed = await examined('knative/overlays/local', 'v1.33.1', there);
    expect(closed.filter(({ what }) => what === 'DNS')).toMatchObject([{ status: 'warning' }]);
    const overlay = await renderOverlay(root, 'knative/overlays/local');
    const dns = overlay.rendered.find(
      ({ object: one }) => one.kind === 'NetworkPolicy' && one.metadata.name === 'dns',
    );
    dns?.object.spec.egress.push({
      to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'openshift-dns' } } }],
      ports: [{ protocol: 'UDP', port: 5353 }],
    });
    const { checkDns } = await import('../functions/_local/cluster/dns.ts');
    const server = await startApiServer('v1.33.1', there);
    servers.push(server);
    vi.stubEnv('KUBECONFIG', server.kubeconfig);
    expect(await checkDns(createCluster(), overlay)).toMatchObject([{ status: 'ok' }]);
  });

  test('flags that an overlay needs and does not bring', async () => {
    const overlay = await renderOverlay(root, 'knative/overlays/gpu');
    expect(overlay.rendered.some(({ object: one }) => one.metadata.name === 'config-features')).toBe(true);
    const { checkKnative } = await import('../functions/_local/cluster/knative.ts');
    const server = await startApiServer('v1.33.1', SMALL);
    servers.push(server);
    vi.stubEnv('KUBECONFIG', server.kubeconfig);
    const rendered = overlay.rendered.filter(({ object: one }) => one.metadata.name !== 'config-features');
    const found = (await checkKnative(createCluster(), { ...overlay, rendered })).find(
      ({ what }) => what === 'Feature flags',
    );
    expect(found?.detail).toContain('kubernetes.podspec-init-containers');
    expect(found?.fix).toMatch(
      /^kubectl patch configmap config-features --namespace knative-serving --patch '\{"data":\{.*"kubernetes.podspec-nodeselector":"enabled"/,
    );
  });

  test('what is deployed and not ready', async () => {
    const ready = (status: string, message = '') => ({
      status: { conditions: [{ type: 'Ready', status, reason: 'RevisionMissing', message }] },
    });
    const findings = await examined('knative/overlays/local', 'v1.33.1', [
      ...SMALL,
      object('serving.knative.dev/v1', 'Service', 'embed', 'knarr', ready('True')),
      object('serving.knative.dev/v1', 'Service', 'fetch', 'knarr', ready('False', 'image is not there')),
      object('eventing.knative.dev/v1', 'Broker', 'default', 'knarr', ready('True')),
    ]);
    expect(of(findings, 'problem')).toEqual(['Service fetch: RevisionMissing: image is not there']);
    expect(of(findings, 'ok')).toContain('Brokers: 1 ready');
  });

  test('a cluster that does not answer', async () => {
    const server = await startApiServer('v1.33.1', []);
    vi.stubEnv('KUBECONFIG', server.kubeconfig);
    await server.close();
    await expect(examine(createCluster(), root, 'knative/overlays/local')).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

test.each([
  ['v1.33.13', '1.31', true],
  ['1.9.0', '1.15', false],
  ['17.6 (Debian 17.6-1)', '14', true],
  ['1.17', '1.17.0', true],
  ['2', '1.99', true],
])('%s is at least %s: %s', (version, least, expected) => {
  expect(isAtLeast(version, least)).toBe(expected);
});
