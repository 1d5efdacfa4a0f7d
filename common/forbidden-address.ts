/**
 * Which IP addresses are not public: own machine, own network, metadata services, and ranges that stand for one of these.
 * From the special-purpose registries of IANA (https://www.iana.org/assignments/iana-ipv4-special-registry and
 * iana-ipv6-special-registry). Pure.
 */
import { isIP } from 'node:net';

interface Range {
  readonly network: bigint;
  /** How many low bits are free. */
  readonly freeBits: bigint;
}

const within = (value: bigint, { network, freeBits }: Range): boolean => value >> freeBits === network >> freeBits;

function range(text: string): Range {
  const [address = '', length = ''] = text.split('/');
  const [network, bits] = isIP(address) === 4 ? [ipv4Value(address), 32] : [ipv6Value(address), 128];
  return { network, freeBits: BigInt(bits - Number(length)) };
}

const forbiddenIpv4 = [
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
].map(range);

// Outside it there is nothing public: loopback, unique local (fc00::/7), link-local, multicast and the unassigned.
const globalIpv6 = range('2000::/3');
const forbiddenIpv6 = [
  '2001::/23', // protocol assignments, Teredo
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: holds any IPv4 address
  '3fff::/20', // documentation
].map(range);

// An IPv4 address in the last 32 bits, which is where the packets go: IPv4-mapped, and NAT64 (RFC 6052).
const ipv4Holders = ['::ffff:0:0/96', '64:ff9b::/96'].map(range);

/** True for every address that is not public, and for text that is no address. Takes the usual spelling only. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return isForbiddenIpv4(ipv4Value(address));
  // A zone ("fe80::1%eth0") is only ever given for an address of the own network.
  if (family !== 6 || address.includes('%')) return true;
  const value = ipv6Value(address);
  if (ipv4Holders.some((holder) => within(value, holder))) return isForbiddenIpv4(value & 0xffff_ffffn);
  return !within(value, globalIpv6) || forbiddenIpv6.some((entry) => within(value, entry));
}

const isForbiddenIpv4 = (value: bigint): boolean => forbiddenIpv4.some((entry) => within(value, entry));

function ipv4Value(address: string): bigint {
  return address.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** Of an address that isIP knows as IPv6, without a zone. */
function ipv6Value(address: string): bigint {
  const [, before = address, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address) ?? [];
  const low = dotted === undefined ? 0n : ipv4Value(dotted);
  const text = dotted === undefined ? before : `${before}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const right = groups(tail ?? '');
  const zeros = Array<string>(8 - groups(head).length - right.length).fill('0');
  return [...groups(head), ...zeros, ...right].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
