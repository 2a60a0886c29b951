// Makes functions/_local/manifests/schemas/ anew from the Go modules that define the objects; needs Go and its module proxy.
// Kept are the kinds that Knarr's manifests use, without descriptions and status.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const KUBERNETES = { module: 'k8s.io/kubernetes@v1.33.13', path: 'api/openapi-spec/swagger.json' };
const KUBERNETES_KINDS = [
  'v1/ConfigMap',
  'v1/Namespace',
  'v1/PersistentVolumeClaim',
  'v1/Secret',
  'v1/Service',
  'v1/ServiceAccount',
  'apps/v1/DaemonSet',
  'apps/v1/Deployment',
  'apps/v1/StatefulSet',
  'batch/v1/CronJob',
  'batch/v1/Job',
  'networking.k8s.io/v1/NetworkPolicy',
  'policy/v1/PodDisruptionBudget',
  'rbac.authorization.k8s.io/v1/Role',
  'rbac.authorization.k8s.io/v1/RoleBinding',
];
const CRDS = [
  { module: 'knative.dev/serving@v0.51.0', path: 'config/core/300-resources' },
  { module: 'knative.dev/networking@v0.0.0-20240716111826-bab7f2a3e556', path: 'config/domain-claim.yaml' },
  { module: 'knative.dev/eventing@v0.49.2', path: 'config/core/resources' },
  { module: 'knative.dev/eventing-rabbitmq@v0.48.0', path: 'config/broker/300-rabbitmqbrokerconfig.yaml' },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    path: 'example/prometheus-operator-crd',
  },
  { module: 'github.com/cert-manager/cert-manager@v1.21.2', path: 'deploy/crds' },
  { module: 'k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1', path: 'deploy/vpa-v1-crd-gen.yaml' },
  { module: 'istio.io/api@v1.32.0', path: 'kubernetes/customresourcedefinitions.gen.yaml' },
];
const CRD_KINDS = [
  'serving.knative.dev/v1/Service',
  'serving.knative.dev/v1beta1/DomainMapping',
  'networking.internal.knative.dev/v1alpha1/ClusterDomainClaim',
  'eventing.knative.dev/v1/Broker',
  'eventing.knative.dev/v1/Trigger',
  'eventing.knative.dev/v1alpha1/EventTransform',
  'eventing.knative.dev/v1alpha1/RabbitmqBrokerConfig',
  'sources.knative.dev/v1/ContainerSource',
  'sources.knative.dev/v1/PingSource',
  'sources.knative.dev/v1/SinkBinding',
  'sources.knative.dev/v1alpha1/IntegrationSource',
  'monitoring.coreos.com/v1/PodMonitor',
  'monitoring.coreos.com/v1/PrometheusRule',
  'cert-manager.io/v1/Certificate',
  'cert-manager.io/v1/ClusterIssuer',
  'cert-manager.io/v1/Issuer',
  'autoscaling.k8s.io/v1/VerticalPodAutoscaler',
  'security.istio.io/v1/AuthorizationPolicy',
  'security.istio.io/v1/PeerAuthentication',
  'networking.istio.io/v1alpha3/EnvoyFilter',
];

const work = mkdtempSync(join(tmpdir(), 'knarr-schemas-'));
writeFileSync(join(work, 'go.mod'), 'module schemas\n\ngo 1.24\n');
const sourceOf = ({ module, path }) => {
  const options = { cwd: work, env: { ...process.env, GOFLAGS: '-mod=mod' }, encoding: 'utf8' };
  return join(JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], options)).Dir, path);
};

const DROPPED = new Set(['description', 'default', 'example', 'externalDocs', 'title', 'nullable', 'format']);
/** Schema keywords only, at positions where keywords stand: a property may be called `description`. */
function slim(schema) {
  const out = {};
  for (const [key, value] of Object.entries(schema)) {
    if (DROPPED.has(key) || (key.startsWith('x-kubernetes-') && !/preserve-unknown|int-or-string/.test(key)))
      continue;
    // Go's flags within a pattern are not JavaScript's.
    if (key === 'pattern' && value.includes('(?i)')) continue;
    if (key === 'properties') out[key] = mapValues(value, slim);
    else if (/^(items|additionalProperties|not)$/.test(key) && typeof value === 'object')
      out[key] = slim(value);
    else if (/^(allOf|anyOf|oneOf)$/.test(key)) out[key] = value.map(slim);
    else out[key] = value;
  }
  return out;
}
const mapValues = (object, map) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));

function kubernetes() {
  const { definitions } = JSON.parse(readFileSync(sourceOf(KUBERNETES), 'utf8'));
  const kinds = {};
  for (const [name, { 'x-kubernetes-group-version-kind': named = [] }] of Object.entries(definitions)) {
    for (const { group, version, kind } of named) {
      const id = [group, version, kind].filter(Boolean).join('/');
      if (KUBERNETES_KINDS.includes(id)) kinds[id] = { $ref: `#/definitions/${name}` };
    }
  }
  const kept = {};
  const keep = (name) => {
    if (kept[name]) return;
    kept[name] = slim(definitions[name]);
    if (kept[name].properties) delete kept[name].properties.status;
    for (const [, other] of JSON.stringify(kept[name]).matchAll(/"#\/definitions\/([^"]+)"/g)) keep(other);
  };
  for (const { $ref } of Object.values(kinds)) keep($ref.replace('#/definitions/', ''));
  // Numbers and strings of Kubernetes that are more than what their type says.
  kept['io.k8s.apimachinery.pkg.util.intstr.IntOrString'] = { type: ['integer', 'string'] };
  kept['io.k8s.apimachinery.pkg.api.resource.Quantity'] = { type: ['number', 'string'], pattern: QUANTITY };
  return { kinds, definitions: kept };
}
const QUANTITY = '^[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$';

const OBJECT_META = { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };
const POD = 'io.k8s.api.core.v1.PodSpec';
const POD_TEMPLATE = { $ref: '#/definitions/io.k8s.api.core.v1.PodTemplateSpec' };

/** Where a definition leaves a part of a pod open, the part of Kubernetes' own pod. */
function fill(schema, reference, definitions) {
  const known = reference?.$ref ? definitions[reference.$ref.replace('#/definitions/', '')] : reference;
  if (schema['x-kubernetes-preserve-unknown-fields'] && !schema.properties && reference) return reference;
  if (schema.properties) {
    schema.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, value]) => [
        name,
        fill(value, known?.properties?.[name], definitions),
      ]),
    );
  }
  if (schema.items) schema.items = fill(schema.items, known?.items, definitions);
  return schema;
}

function customResources(definitions) {
  const kinds = {};
  for (const source of CRDS) {
    const at = sourceOf(source);
    const files = statSync(at).isDirectory() ? readdirSync(at).map((name) => join(at, name)) : [at];
    for (const file of files.filter((name) => name.endsWith('.yaml'))) {
      for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
        const crd = document.toJS();
        if (crd?.kind !== 'CustomResourceDefinition') continue;
        for (const { name, schema } of crd.spec.versions) {
          const id = `${crd.spec.group}/${name}/${crd.spec.names.kind}`;
          if (CRD_KINDS.includes(id)) kinds[id] = slim(schema.openAPIV3Schema);
        }
      }
    }
  }
  for (const schema of Object.values(kinds)) {
    schema.type = 'object';
    schema.properties = {
      ...schema.properties,
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: OBJECT_META,
    };
    delete schema.properties.status;
  }
  const template = kinds['serving.knative.dev/v1/Service'].properties.spec.properties.template.properties;
  template.metadata = OBJECT_META;
  template.spec = fill(template.spec, { $ref: `#/definitions/${POD}` }, definitions);
  kinds['sources.knative.dev/v1/ContainerSource'].properties.spec.properties.template = POD_TEMPLATE;
  // The controller puts the container in.
  const { required: _, ...pod } = definitions[POD];
  kinds['sources.knative.dev/v1alpha1/IntegrationSource'].properties.spec.properties.template = {
    type: 'object',
    properties: { metadata: OBJECT_META, spec: pod },
  };
  return kinds;
}

const { kinds, definitions } = kubernetes();
const custom = customResources(definitions);
for (const id of [...KUBERNETES_KINDS, ...CRD_KINDS]) {
  if (!kinds[id] && !custom[id]) throw new Error(`${id} is in none of the modules.`);
}
const out = (name) =>
  fileURLToPath(new URL(`../../functions/_local/manifests/schemas/${name}.json`, import.meta.url));
writeFileSync(out('kubernetes'), `${JSON.stringify({ kinds, definitions })}\n`);
writeFileSync(out('custom'), `${JSON.stringify({ kinds: custom })}\n`);
rmSync(work, { recursive: true });
