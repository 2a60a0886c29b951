import { parse } from 'yaml';
import {
  type Fields,
  idOf,
  isKnativeService,
  type Overlay,
  ofKind,
  type Problem,
  type Rendered,
} from '../model.ts';
import { type EnvVar, podsOf } from '../pods.ts';
import { selects } from '../selectors.ts';
import { isCron, quantity } from '../values.ts';

/** As KNARR_DATABASE_CONNECTIONS says by default. */
const CONNECTIONS_PER_POD = 10;
/** That one of PostgreSQL's processes takes, about. */
const BYTES_PER_CONNECTION = 10e6;
/** For people, backups and replication. */
const SPARE_CONNECTIONS = 20;

/** What keeps data: enough nodes for what is promised, and objects around them that select something. */
export function checkStores(overlay: Overlay): Problem[] {
  return [
    ...ofKind(overlay, 'policy/v1/PodDisruptionBudget').flatMap((budget) => checkBudget(budget, overlay)),
    ...ofKind(overlay, 'apps/v1/StatefulSet').flatMap((set) => checkSet(set, overlay)),
    ...ofKind(overlay, 'autoscaling.k8s.io/v1/VerticalPodAutoscaler').flatMap((vpa) =>
      checkRecommendation(vpa, overlay),
    ),
    ...ofKind(overlay, 'postgresql.cnpg.io/v1/Cluster').flatMap((cluster) => checkPostgres(cluster, overlay)),
    ...ofKind(overlay, 'batch/v1/CronJob').flatMap((job) => checkSchedule(job, false)),
    ...ofKind(overlay, 'postgresql.cnpg.io/v1/ScheduledBackup').flatMap((backup) =>
      checkSchedule(backup, true),
    ),
    ...ofKind(overlay, 'serving.knative.dev/v1beta1/DomainMapping').flatMap((mapping) =>
      checkDomain(mapping, overlay),
    ),
  ];
}

function checkBudget(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const pods = podsOf(overlay).filter(
    ({ labels, namespace }) => namespace === metadata.namespace && selects(spec.selector, labels),
  );
  if (pods.length === 0) return [{ rendered, path: ['spec', 'selector'], message: 'selects no pod' }];
  const replicas: number = pods[0]?.rendered.object.spec.replicas ?? 1;
  if ((spec.minAvailable ?? 0) < replicas && spec.maxUnavailable !== 0) return [];
  const field = spec.minAvailable === undefined ? 'maxUnavailable' : 'minAvailable';
  return [{ rendered, path: ['spec', field], message: 'lets no node be drained, ever' }];
}

function checkSet(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const problems: Problem[] = [];
  const service = ofKind(overlay, 'v1/Service').find(
    ({ object }) =>
      object.metadata.name === spec.serviceName && object.metadata.namespace === metadata.namespace,
  );
  if (!service)
    problems.push({
      rendered,
      path: ['spec', 'serviceName'],
      message: `there is no Service ${spec.serviceName}`,
    });
  if (!selects(spec.selector, spec.template.metadata.labels ?? {}))
    problems.push({ rendered, path: ['spec', 'selector'], message: 'does not select its own pods' });
  const qdrant = qdrantSettings(rendered, overlay);
  if (qdrant) {
    const { replication_factor: copies = 1, write_consistency_factor: written = 1 } = qdrant;
    if (copies > spec.replicas)
      problems.push({
        rendered,
        path: ['spec', 'replicas'],
        message: `is less than replication_factor ${copies}`,
      });
    // Two of three acknowledge a write: one may be lost, and one may be away while it is made.
    if (copies > 1 && (written < 2 || written > Math.floor(copies / 2) + 1))
      problems.push({
        rendered,
        path: ['spec', 'replicas'],
        message: `write_consistency_factor ${written} of ${copies} copies: take a majority`,
      });
  }
  return problems;
}

/** `storage.collection` of the configuration that the set mounts. */
function qdrantSettings({ object }: Rendered, overlay: Overlay): Record<string, number> | undefined {
  const names = ((object.spec.template.spec.volumes ?? []) as Fields[]).map(
    ({ configMap }) => configMap?.name,
  );
  const map = ofKind(overlay, 'v1/ConfigMap').find(({ object: one }) => names.includes(one.metadata.name));
  return parse(map?.object.data?.['production.yaml'] ?? 'null')?.storage?.collection;
}

function checkRecommendation(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const { kind, name } = spec.targetRef;
  const problems: Problem[] = [];
  const target = overlay.rendered.find(
    ({ object }) =>
      object.kind === kind &&
      object.metadata.name === name &&
      object.metadata.namespace === metadata.namespace,
  );
  if (!target)
    problems.push({ rendered, path: ['spec', 'targetRef', 'name'], message: `there is no ${kind} ${name}` });
  if (spec.updatePolicy?.updateMode !== 'Off')
    problems.push({
      rendered,
      path: ['spec', 'updatePolicy', 'updateMode'],
      message: 'must be "Off": it would restart stores at will',
    });
  return problems;
}

/** All pods that autoscaling may make find a connection, and the server has memory for all of them. */
function checkPostgres(rendered: Rendered, overlay: Overlay): Problem[] {
  const needed = overlay.rendered
    .filter(({ object }) => isKnativeService(object))
    .reduce((sum, { object }) => {
      const env: EnvVar[] = object.spec.template.spec.containers[0].env ?? [];
      if (!env.some(({ name }) => name === 'DATABASE_URL')) return sum;
      const each = env.find(({ name }) => name === 'KNARR_DATABASE_CONNECTIONS')?.value;
      const pods = object.spec.template.metadata.annotations['autoscaling.knative.dev/max-scale'];
      return sum + Number(pods ?? 0) * Number(each ?? CONNECTIONS_PER_POD);
    }, SPARE_CONNECTIONS);
  const { postgresql, resources } = rendered.object.spec;
  const { max_connections: allowed = 100, shared_buffers: shared = '128MB' } = postgresql?.parameters ?? {};
  if (postgresql?.parameters?.statement_timeout !== undefined)
    return [
      {
        rendered,
        path: ['spec', 'postgresql', 'parameters', 'statement_timeout'],
        message: 'would end base backups, which wait for a checkpoint in one statement',
      },
    ];
  const path = ['spec', 'postgresql', 'parameters', 'max_connections'];
  if (Number(allowed) < needed)
    return [{ rendered, path, message: `is ${allowed}, but the stages at their max-scale need ${needed}` }];
  const buffers = quantity(String(shared).replace(/B$/, 'i').replace('ki', 'Ki')) ?? 0;
  const memory = quantity(resources?.limits?.memory) ?? Number.POSITIVE_INFINITY;
  if (buffers + Number(allowed) * BYTES_PER_CONNECTION <= memory) return [];
  const message = `${allowed} connections beside ${shared} of buffers take more than ${resources.limits.memory} of memory`;
  return [{ rendered, path, message }];
}

function checkSchedule(rendered: Rendered, seconds: boolean): Problem[] {
  const { schedule } = rendered.object.spec;
  if (isCron(schedule, { seconds })) return [];
  return [
    { rendered, path: ['spec', 'schedule'], message: `${JSON.stringify(schedule)} is no cron schedule` },
  ];
}

function checkDomain(rendered: Rendered, overlay: Overlay): Problem[] {
  const { metadata, spec } = rendered.object;
  const problems: Problem[] = [];
  const service = overlay.rendered.find(
    ({ object }) => isKnativeService(object) && object.metadata.name === spec.ref.name,
  );
  if (!service)
    problems.push({
      rendered,
      path: ['spec', 'ref', 'name'],
      message: `there is no Service ${spec.ref.name}`,
    });
  else if (service.object.metadata.labels?.['networking.knative.dev/visibility'] === 'cluster-local')
    problems.push({
      rendered,
      path: ['spec', 'ref', 'name'],
      message: `${spec.ref.name} is for the cluster alone`,
    });
  const claim = overlay.rendered.find(
    ({ object }) => idOf(object).endsWith('/ClusterDomainClaim') && object.metadata.name === metadata.name,
  );
  if (claim?.object.spec.namespace !== metadata.namespace)
    problems.push({
      rendered,
      path: ['metadata', 'name'],
      message: `no ClusterDomainClaim gives ${metadata.name} to ${metadata.namespace}`,
    });
  return problems;
}
