import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { KnarrError } from '../../_shared/errors.ts';

/**
 * Addresses that are not on the public internet: IANA's special-purpose registries (RFC 6890 and its updates),
 * multicast, the IPv6 ranges that carry an IPv4 address inside (mapped ones, `::ffff:0:0/96`, are judged by that address),
 * and the one public address behind which a cloud answers its own machines.
 */
const SPECIAL = new BlockList();
for (const range of [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/63',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/9',
  'ff00::/8',
])
  addRange(SPECIAL, range);

type LookupCallback = (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;

/** Where documents may be read from: public addresses, and what `allow` names (hosts, addresses, CIDR ranges). */
export interface AddressGuard {
  /** Throws `forbidden` for a host that is itself an address which may not be reached. */
  check(host: string): void;
  /** For `http.request`: resolves and refuses in one step, so that the address checked is the address connected to. */
  lookup: LookupFunction;
}

/**
 * @param allow host names, addresses and CIDR ranges that may be reached though they are not public. Throws on a malformed range.
 * @param resolve the system's resolver unless another is given.
 */
export function addressGuard(
  allow: readonly string[],
  resolve: (host: string, options: LookupAllOptions, callback: LookupCallback) => void = dnsLookup,
): AddressGuard {
  const hosts = new Set<string>();
  const ranges = new BlockList();
  for (const entry of allow) {
    if (isIP(entry)) addRange(ranges, `${entry}/${isIP(entry) === 4 ? 32 : 128}`);
    else if (entry.includes('/')) addRange(ranges, entry);
    else hosts.add(entry.toLowerCase());
  }
  const allowed = (address: string) => {
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    return ranges.check(address, family) || !SPECIAL.check(address, family);
  };
  const refuse = (host: string) =>
    new KnarrError('forbidden', `${host} is not a public address, and KNARR_URI_ALLOW does not list it.`);

  return {
    check(host) {
      const address = host.replace(/^\[|\]$/g, '');
      if (isIP(address) && !hosts.has(address.toLowerCase()) && !allowed(address)) throw refuse(host);
    },
    lookup(host, options, callback) {
      resolve(host, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, '', 0);
        const usable = hosts.has(host.toLowerCase())
          ? found
          : found.filter(({ address }) => allowed(address));
        const [first] = usable;
        if (first === undefined) return callback(refuse(host), '', 0);
        if (options.all) return callback(null, usable);
        callback(null, first.address, first.family);
      });
    },
  };
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix = ''] = range.split('/');
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(prefix)) throw new Error(`${range} is not an address range.`);
  list.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
}
