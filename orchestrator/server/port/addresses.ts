/** How client addresses are distinguished, and which proxies are trusted to report them. Pure. */
import { BlockList, isIP } from 'node:net';

/** Whether it is a proxy that says for whom it speaks. */
export type IsProxy = (address: string) => boolean;

/** TRUSTED_PROXIES: addresses and blocks such as 10.0.0.0/8, separated by commas; undefined when one is neither. */
export function parseTrustedProxies(text: string): IsProxy | undefined {
  const list = new BlockList();
  for (const word of text.split(',').flatMap((each) => each.trim() || [])) {
    const [address = '', bits, more] = word.replace(/^\[([^\]]*)\]/, '$1').split('/');
    const family = isIP(address);
    if (family === 0 || more !== undefined) return undefined;
    const longest = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (!(prefix >= 0 && prefix <= longest)) return undefined;
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return (address) => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** IPv4 as such, also where a socket for both families gives it as ::ffff:1.2.3.4; without a zone. */
export const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d{1,3}\.)/i, '').replace(/%.*$/s, '');

/** What is counted as one: an IPv4 address, or the /64 that a subscriber of IPv6 is given. */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const [front, back] = [head, tail].map((part) => (part === '' ? [] : part.split(':')));
  const missing = Math.max(0, 8 - (front?.length ?? 0) - (back?.length ?? 0));
  const groups = plain.includes('::')
    ? [...(front ?? []), ...Array(missing).fill('0'), ...(back ?? [])]
    : plain.split(':');
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(String(group), 16).toString(16))
    .join(':')}::/64`;
}

/**
 * The address that a request comes from: that of the connection or, behind proxies whose word counts, the last one in X-Forwarded-For that is
 * not such a proxy. What stands before it in the list was said by whoever sent the request.
 */
export function visitorAddress(connected: string, forwardedFor: string | undefined, isProxy: IsProxy): string {
  let address = connected;
  const hops = (forwardedFor ?? '').split(',').reverse();
  for (const hop of hops) {
    if (!isProxy(address)) return address;
    // Some proxies add the port.
    const next = hop
      .trim()
      .replace(/^\[([^\]]*)\](?::\d{1,5})?$/, '$1')
      .replace(/^([\d.]{7,15}):\d{1,5}$/, '$1');
    if (isIP(next) === 0) return address;
    address = plainAddress(next);
  }
  return address;
}
