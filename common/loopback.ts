/** Whether a host name or address can only be reached from this machine. */
import { isIP } from 'node:net';

/** True for localhost, 127.0.0.0/8 and ::1. Names other than localhost are never trusted to be loopback. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost') return true;
  const kind = isIP(bare);
  if (kind === 4) return bare.startsWith('127.');
  return kind === 6 && (bare === '::1' || bare === '0:0:0:0:0:0:0:1');
}
