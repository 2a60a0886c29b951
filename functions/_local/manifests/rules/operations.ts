import { type Fields, type Overlay, ofKind, type Path, type Problem, type Rendered } from '../model.ts';

const METRIC = /\bknarr_[a-z0-9_]+/g;
/** What Prometheus makes of one histogram. */
const SUFFIX = /_(bucket|count|sum)$/;

/** Alerts and dashboards ask for metrics that the code has; whoever deploys may apply what there is. */
export function checkOperations(overlay: Overlay, metrics: ReadonlySet<string>): Problem[] {
  return [
    ...ofKind(overlay, 'monitoring.coreos.com/v1/PrometheusRule').flatMap((rules) =>
      checkAlerts(rules, metrics),
    ),
    ...ofKind(overlay, 'v1/ConfigMap').flatMap((map) => checkDashboards(map, metrics)),
    ...ofKind(overlay, 'rbac.authorization.k8s.io/v1/Role')
      .filter(({ object }) => object.metadata.name === 'knarr-deployer')
      .flatMap((role) => checkDeployer(role, overlay)),
  ];
}

function checkAlerts(rendered: Rendered, metrics: ReadonlySet<string>): Problem[] {
  return ((rendered.object.spec.groups ?? []) as Fields[]).flatMap(({ rules }, group) =>
    (rules as Fields[]).flatMap((rule, index) => {
      const path = ['spec', 'groups', group, 'rules', index];
      const unknown = unknownMetrics(rule.expr, metrics).map((name) => ({
        rendered,
        path: [...path, 'expr'],
        message: `the code has no metric ${name}`,
      }));
      const severity = /^(info|warning|critical)$/.test(rule.labels?.severity ?? '');
      const told = rule.annotations?.summary && rule.annotations?.description;
      return [
        ...unknown,
        ...(severity
          ? []
          : [
              {
                rendered,
                path: [...path, 'labels', 'severity'],
                message: 'must be info, warning or critical',
              },
            ]),
        ...(told
          ? []
          : [
              {
                rendered,
                path: [...path, 'annotations'],
                message: 'needs summary and description: what it means, and what to do',
              },
            ]),
      ];
    }),
  );
}

function checkDashboards(rendered: Rendered, metrics: ReadonlySet<string>): Problem[] {
  const { metadata, data } = rendered.object;
  if (metadata.labels?.grafana_dashboard === undefined) return [];
  return Object.entries((data ?? {}) as Record<string, string>).flatMap(([name, text]) => {
    const path: Path = ['data', name];
    try {
      JSON.parse(text);
    } catch (thrown) {
      return [{ rendered, path, message: `not JSON: ${(thrown as Error).message}` }];
    }
    return unknownMetrics(text, metrics).map((metric) => ({
      rendered,
      path,
      message: `the code has no metric ${metric}`,
    }));
  });
}

const unknownMetrics = (text: string, metrics: ReadonlySet<string>) =>
  [...new Set(text.match(METRIC) ?? [])].filter(
    (name) => !metrics.has(name) && !metrics.has(name.replace(SUFFIX, '')),
  );

function checkDeployer(rendered: Rendered, overlay: Overlay): Problem[] {
  const rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[] = rendered.object.rules;
  const missing = new Set<string>();
  for (const { object } of overlay.rendered) {
    if (object.metadata.namespace !== rendered.object.metadata.namespace) continue;
    const group = object.apiVersion.includes('/') ? (object.apiVersion.split('/')[0] as string) : '';
    const resource = plural(object.kind);
    const may = rules.some(
      ({ apiGroups, resources, verbs }) =>
        apiGroups.includes(group) && resources.includes(resource) && verbs.includes('patch'),
    );
    if (!may) missing.add(group === '' ? resource : `${resource}.${group}`);
  }
  return [...missing].map((resource) => ({
    rendered,
    path: ['rules'],
    message: `may not apply ${resource}, which this overlay has`,
  }));
}

/** As Kubernetes names resources after kinds, for those used here. */
const plural = (kind: string): string => {
  const name = kind.toLowerCase();
  if (name.endsWith('policy')) return `${name.slice(0, -1)}ies`;
  return /(s|x|ch)$/.test(name) ? `${name}es` : `${name}s`;
};
