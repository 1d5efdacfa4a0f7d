/**
 * Which IP addresses are not public: own machine, own network, metadata services, and ranges that stand for one of these.
 * From the special-purpose registries of IANA (https://www.iana.org/assignments/iana-ipv4-special-registry and
 * iana-ipv6-special-registry). Pure.
 */
import { BlockList, isIP } from 'node:net';

export const forbiddenIpv4 = [
  '0.0.0.0/8', // this host
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared by carriers; metadata of Alibaba Cloud
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; metadata of most clouds
  '172.16.0.0/12', // private; networks of Docker
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
];

// Outside it there is nothing public: loopback, unique local (fc00::/7), link-local, multicast and the unassigned.
const globalIpv6 = listOf(['2000::/3']);
const forbiddenIpv6 = [
  '2001::/23', // protocol assignments, Teredo
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: holds any IPv4 address
  '3fff::/20', // documentation
];

// An IPv4 address in the last 32 bits, which is where the packets go: IPv4-mapped, and NAT64 (RFC 6052).
const prefixes = ['::ffff:', '64:ff9b::'];
const ipv4Holders = listOf(prefixes.map((prefix) => `${prefix}0.0.0.0/96`));

const forbidden = listOf([
  ...forbiddenIpv4,
  ...forbiddenIpv6,
  ...prefixes.flatMap((prefix) => forbiddenIpv4.map((range) => held(prefix, range))),
]);

/** True for every address that is not public, and for text that is not an address. Takes the usual spelling only. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return forbidden.check(address, 'ipv4');
  // A zone ("fe80::1%eth0") is only ever given for an address of the own network.
  if (family !== 6 || address.includes('%')) return true;
  if (forbidden.check(address, 'ipv6')) return true;
  return !globalIpv6.check(address, 'ipv6') && !ipv4Holders.check(address, 'ipv6');
}

/** Ranges as ADDRESS/BITS. */
function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** A range of IPv4 as it is within IPv6. */
function held(prefix: string, range: string): string {
  const [address, bits] = range.split('/');
  return `${prefix}${address}/${96 + Number(bits)}`;
}
