import { BlockList, isIP } from 'node:net';
import { type Fields, type Overlay, ofKind } from '../manifests/model.ts';
import { type Finding, ok, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';

const OPENSHIFT = 'openshift-dns';
const FIX = 'Add it to knative/base/network/dns.yaml, as docs/deploy.md (9) shows.';

/** Whether pods may ask where names are resolved in this cluster: in kube-system, which is allowed, by a cache on each node, by OpenShift. */
export async function checkDns(cluster: Cluster, overlay: Overlay): Promise<Finding[]> {
  const rules = ofKind(overlay, 'networking.k8s.io/v1/NetworkPolicy').flatMap(
    ({ object }) => (object.spec.egress ?? []) as Fields[],
  );
  if (rules.length === 0) return [];
  const cache = await cluster.get('daemonset', 'node-local-dns', 'kube-system');
  const openShift = await cluster.get('namespace', OPENSHIFT);
  return [...(cache ? [ofCache(cache, rules)] : []), ...(openShift ? [ofOpenShift(rules)] : [])];
}

/** The cache listens on the node's own network: no selector reaches it, only its addresses do. */
function ofCache(cache: Fields, rules: readonly Fields[]): Finding {
  const args: string[] = cache.spec.template.spec.containers.flatMap(({ args: some = [] }: Fields) => some);
  const given = (args[args.indexOf('-localip') + 1] ?? '').split(',').filter((part) => isIP(part) !== 0);
  const listens = given.length > 0 ? given : ['169.254.20.10'];
  const allowed = new BlockList();
  for (const { to = [] } of rules.filter((rule) => opens(rule, 53))) {
    for (const { ipBlock } of to as Fields[]) {
      const [address = '', bits = ''] = (ipBlock?.cidr ?? '').split('/');
      if (isIP(address)) allowed.addSubnet(address, Number(bits), family(address));
    }
  }
  const closed = listens.filter((address) => !allowed.check(address, family(address)));
  if (closed.length === 0) return ok('DNS', `NodeLocal DNSCache at ${listens.join(', ')} may be asked`);
  return warning('DNS', `NodeLocal DNSCache listens at ${closed.join(', ')}, which no policy allows`, FIX);
}

function ofOpenShift(rules: readonly Fields[]): Finding {
  const isOpen = rules
    .filter((rule) => opens(rule, 5353))
    .some(({ to = [] }) =>
      to.some(
        ({ namespaceSelector }: Fields) =>
          namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] === OPENSHIFT,
      ),
    );
  if (isOpen) return ok('DNS', `${OPENSHIFT} may be asked`);
  return warning('DNS', `names are resolved in ${OPENSHIFT}, port 5353, which no policy allows`, FIX);
}

const opens = ({ ports }: Fields, port: number): boolean =>
  ports === undefined || ports.some((one: Fields) => one.port === undefined || one.port === port);

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
