/** Whether a host name or address can only be reached from this machine. */
import { isIP } from 'node:net';

// As URLs write it: shortest form, the IPv4 address of ::ffff:127.0.0.1 in two groups of hex digits.
const loopback6 = /^\[::(?:1|ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4})\]$/;

/** True for localhost, 127.0.0.0/8, ::1 and the same as IPv4 in IPv6. Names other than localhost are never trusted to be loopback. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost') return true;
  const kind = isIP(bare);
  if (kind === 4) return bare.startsWith('127.');
  return kind === 6 && loopback6.test(URL.parse(`http://[${bare}]`)?.hostname ?? '');
}

/** True for an address such as http://[fe80::1%eth0]:8000, which means something on one machine alone and is no URL. */
export const hasZone = (url: string): boolean => /^\w{1,10}:\/\/[^/?#[]{0,300}\[[0-9A-Fa-f:.]{0,64}%/.test(url.trim());
