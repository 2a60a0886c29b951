import { type Fields, type Overlay, ofKind, type Problem, type Rendered } from '../model.ts';
import { podsOf } from '../pods.ts';
import { selects } from '../selectors.ts';

const CERTIFICATE = 'cert-manager.io/v1/Certificate';
const HTTPS = /https:\/\/([^\s/:"',]+)/g;

/** Every host that is asked by https and is a Service here has a name in the certificate that its pods serve. */
export function checkCertificates(overlay: Overlay): Problem[] {
  const problems = new Map<string, Problem>();
  for (const user of overlay.rendered) {
    const { kind, metadata } = user.object;
    for (const host of hostsIn(user)) {
      const certificate = certificateOf(host, metadata.namespace, overlay);
      const names: string[] = certificate?.object.spec.dnsNames ?? [];
      if (!certificate || names.some((name) => covers(name, host))) continue;
      problems.set(host, {
        rendered: certificate,
        path: ['spec', 'dnsNames'],
        message: `has no name for ${host}, which ${kind}/${metadata.name} asks by https`,
      });
    }
  }
  return [...problems.values()];
}

/** Hosts of the https addresses in an object; `$HOSTNAME` of a StatefulSet is each of its pods. */
function hostsIn({ object }: Rendered): Set<string> {
  const { metadata, spec } = object;
  const pods = Array.from({ length: spec?.replicas ?? 0 }, (_, index) => `${metadata.name}-${index}`);
  const written = [...JSON.stringify(object).matchAll(HTTPS)].map(([, host]) => host as string);
  return new Set(
    written.flatMap((host) =>
      host.includes('$HOSTNAME') ? pods.map((pod) => host.replace('$HOSTNAME', pod)) : host,
    ),
  );
}

/** The certificate whose Secret the pods behind `host` mount: `service.…`, or `pod.service.…` of a headless one. */
function certificateOf(host: string, from: string | undefined, overlay: Overlay): Rendered | undefined {
  const [first, second, third] = host.replace(/\.svc(\.cluster\.local)?$/, '').split('.');
  const service = ofKind(overlay, 'v1/Service').find(({ object: { metadata, spec } }) =>
    spec.clusterIP === 'None' && metadata.name === second
      ? metadata.namespace === (third ?? from)
      : metadata.name === first && metadata.namespace === (second ?? from),
  );
  const namespace = service?.object.metadata.namespace;
  const secrets = podsOf(overlay)
    .filter((pod) => pod.namespace === namespace && selects(serviceSelector(service), pod.labels))
    .flatMap(({ spec }) => (spec.volumes ?? []).map(({ secret }) => secret?.secretName));
  return ofKind(overlay, CERTIFICATE).find(
    ({ object: { metadata, spec } }) =>
      metadata.namespace === namespace && !spec.isCA && secrets.includes(spec.secretName),
  );
}

const serviceSelector = (service: Rendered | undefined): Fields => ({
  matchLabels: service?.object.spec.selector,
});

/** As rustls and Node compare: a wildcard stands for one label, and two more have to follow. */
function covers(name: string, host: string): boolean {
  if (name === host) return true;
  const [wildcard, ...rest] = name.split('.');
  return wildcard === '*' && rest.length >= 2 && host.split('.').slice(1).join('.') === rest.join('.');
}
