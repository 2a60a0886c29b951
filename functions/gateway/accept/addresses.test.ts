import type { LookupAddress } from 'node:dns';
import { expect, test } from 'vitest';
import { addressGuard } from './addresses.ts';

const refused = (host: string, allow: string[] = []) => {
  try {
    addressGuard(allow).check(host);
    return false;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'forbidden' });
    return true;
  }
};

test.each([
  // Loopback, this host, private, shared, link-local, benchmarking, documentation, multicast, reserved, broadcast.
  ...['127.0.0.1', '127.255.255.255', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '172.31.255.255'],
  ...['192.168.1.1', '100.64.0.1', '169.254.0.1', '198.18.0.1', '198.19.255.255', '192.0.2.1', '203.0.113.9'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
  // Where clouds answer their machines.
  ...[
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    '[fd00:ec2::254]',
  ],
  ...['[::]', '[::1]', '[fc00::1]', '[fdff::1]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[2001:db8::1]'],
  ...['[100::1]', '[100:0:0:1::1]', '[3fff::1]', '[5f00::1]'],
  // IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:a9fe:a9fe]', '[::ffff:10.1.2.3]'],
  ...[
    '[::127.0.0.1]',
    '[::ffff:0:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::1]',
    '[2002:7f00:1::]',
    '[2001::1]',
  ],
])('%s is not public', (host) => {
  expect(refused(host)).toBe(true);
});

test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '[2606:4700::1111]', '[::ffff:8.8.8.8]', 'example.org'])(
  '%s may be public',
  (host) => {
    expect(refused(host)).toBe(false);
  },
);

test('addresses, ranges and hosts may be allowed, and nothing beside them', () => {
  expect(refused('10.1.2.3', ['10.1.2.3'])).toBe(false);
  expect(refused('10.1.2.4', ['10.1.2.3'])).toBe(true);
  expect(refused('[::ffff:10.1.2.3]', ['10.1.0.0/16'])).toBe(false);
  expect(refused('10.2.0.1', ['10.1.0.0/16'])).toBe(true);
  expect(refused('[fd00::7]', ['fd00::/64'])).toBe(false);
  expect(refused('[fd00:0:0:1::7]', ['fd00::/64'])).toBe(true);
  expect(refused('127.0.0.1', ['localhost'])).toBe(true);
  for (const malformed of ['10.0.0.0/', '10.0.0.0/x', '10.0.0.0/33', 'host/8', '::/129'])
    expect(() => addressGuard([malformed])).toThrow();
});

const v4 = (...addresses: string[]): LookupAddress[] => addresses.map((address) => ({ address, family: 4 }));

/** What a connection to `host` would be given when the resolver answers so. */
function lookedUp(found: LookupAddress[], allow: string[] = [], host = 'host.example') {
  const guard = addressGuard(allow, (_host, _options, callback) => callback(null, found));
  return new Promise<unknown>((resolve, reject) =>
    guard.lookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
  );
}

test('a name leads only to addresses that may be reached', async () => {
  expect(await lookedUp(v4('8.8.8.8', '127.0.0.1'))).toEqual(v4('8.8.8.8'));
  await expect(lookedUp(v4('127.0.0.1', '10.0.0.1'))).rejects.toMatchObject({ code: 'forbidden' });
  await expect(lookedUp([{ address: '::ffff:169.254.169.254', family: 6 }])).rejects.toMatchObject({
    code: 'forbidden',
  });
  await expect(lookedUp([])).rejects.toMatchObject({ code: 'forbidden' });
  expect(await lookedUp(v4('10.0.0.1'), ['Host.Example'])).toEqual(v4('10.0.0.1'));
  expect(await lookedUp(v4('10.0.0.1', '10.9.0.1'), ['10.9.0.0/16'])).toEqual(v4('10.9.0.1'));
});
