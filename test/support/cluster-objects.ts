import type { Fields, KubernetesObject } from '../../functions/_local/manifests/model.ts';

/** Objects that a cluster answers with. */
export const object = (
  apiVersion: string,
  kind: string,
  name: string,
  namespace?: string,
  more: Fields = {},
): KubernetesObject => ({
  apiVersion,
  kind,
  ...more,
  metadata: { name, ...(namespace && { namespace }), ...more.metadata },
});
export const controller = (name: string, namespace: string, version = '1.19.0', readyReplicas = 1) =>
  object('apps/v1', 'Deployment', name, namespace, {
    metadata: { labels: { 'app.kubernetes.io/version': version } },
    status: { readyReplicas },
  });
export const definition = (id: string) => {
  const [group = '', name, kind = ''] = id.split('/');
  return object(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    `${kind.toLowerCase()}s.${group}`,
    undefined,
    {
      spec: { group, names: { kind }, versions: [{ name, served: true }] },
    },
  );
};
export const KNATIVE = [
  'serving.knative.dev/v1/Service',
  'eventing.knative.dev/v1/Broker',
  'eventing.knative.dev/v1/Trigger',
  'sources.knative.dev/v1/PingSource',
  'sources.knative.dev/v1/SinkBinding',
];
export const settings = (name: string, data: Record<string, string>) =>
  object('v1', 'ConfigMap', name, 'knative-serving', { data });
