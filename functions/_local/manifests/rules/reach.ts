import {
  type Fields,
  isKnativeService,
  type Overlay,
  ofKind,
  type Problem,
  type Rendered,
} from '../model.ts';
import { containersOf, type EnvVar, type Pod, podsOf } from '../pods.ts';
import { selects } from '../selectors.ts';
import { shownValue } from './config.ts';

const POLICY = 'networking.k8s.io/v1/NetworkPolicy';
const DEFAULT_PORTS: Record<string, number> = { 'http:': 80, 'https:': 443, 'postgresql:': 5432 };

/** Namespaces of the ingresses behind which Knative's Services are, each at ports of its own. */
const INGRESSES = new Set(['kourier-system', 'istio-system']);
const NAME = 'kubernetes.io/metadata.name';

/** Every address that a pod is given in its environment can be reached, where something denies by default. */
export function checkReach(overlay: Overlay): Problem[] {
  const policies = ofKind(overlay, POLICY);
  const denied = new Set(
    policies
      .filter(({ object: { spec } }) => Object.keys(spec.podSelector ?? {}).length === 0)
      .map(({ object }) => object.metadata.namespace),
  );
  return podsOf(overlay)
    .filter(({ namespace }) => denied.has(namespace))
    .flatMap((pod) =>
      containersOf(pod).flatMap(({ container, path }) => {
        const values = new Map<string, string>();
        return (container.env ?? []).flatMap((variable, index) =>
          addressesOf(variable, pod, overlay, values)
            .filter((url) => !isLetOut(url, pod, policies, overlay))
            .map(
              ({ host }): Problem => ({
                rendered: pod.rendered,
                path: [...path, 'env', index],
                message: `${variable.name}: no NetworkPolicy lets this pod out to ${host}`,
              }),
            ),
        );
      }),
    );
}

function addressesOf(variable: EnvVar, pod: Pod, overlay: Overlay, values: Map<string, string>): URL[] {
  // A Secret's address is not to be seen here; it is PostgreSQL's, at its own port or behind a pooler of the overlay's.
  if (variable.name === 'DATABASE_URL') return [new URL('postgresql://postgres.')];
  const value = shownValue(variable, pod.namespace, overlay, values);
  if (value === undefined) return [];
  values.set(variable.name, value);
  return value
    .split(',')
    .filter((text) => /^https?:\/\//.test(text) && URL.canParse(text))
    .map((text) => new URL(text));
}

function isLetOut(url: URL, pod: Pod, policies: readonly Rendered[], overlay: Overlay): boolean {
  const port = Number(url.port) || DEFAULT_PORTS[url.protocol];
  const rules: Fields[] = policies
    .filter(
      ({ object: { metadata, spec } }) =>
        metadata.namespace === pod.namespace && selects(spec.podSelector ?? {}, pod.labels),
    )
    .flatMap(({ object }) => object.spec.egress ?? []);
  const isOpen = ({ ports = [] }: Fields) =>
    ports.length === 0 || ports.some((one: Fields) => one.port === port);
  const to = (rule: Fields, is: (peer: Fields) => boolean) => (rule.to ?? [{}]).some(is);
  if (url.protocol === 'postgresql:') return rules.some((rule) => isOpen(rule));

  const labels = url.hostname.replace(/\.svc(\.cluster\.local)?$/, '').split('.');
  const service = overlay.rendered.find(
    ({ object: { kind, metadata } }) =>
      kind === 'Service' && labels.slice(0, 2).includes(metadata.name) && labels.length <= 3,
  )?.object;
  if (service && isKnativeService(service))
    return rules.some((rule) =>
      to(rule, ({ namespaceSelector }) => INGRESSES.has(namespaceSelector?.matchLabels?.[NAME] ?? '')),
    );
  if (service)
    return rules.some(
      (rule) =>
        isOpen(rule) &&
        to(rule, ({ podSelector }) => podSelector && selects(podSelector, service.spec.selector)),
    );
  return rules.some(
    (rule) =>
      isOpen(rule) &&
      to(
        rule,
        ({ ipBlock, podSelector, namespaceSelector }) => ipBlock || !(podSelector || namespaceSelector),
      ),
  );
}
