/** How the values of the worker's settings are read: each function takes the text of one variable, and throws BadValue. */
import { absolutePath, BadValue } from '#common/env-config.ts';
import { type FetchAllow, parseFetchAllow } from '#common/fetch-policy.ts';
import { workerIdPattern } from '#common/ids.ts';
import { type Labels, parseLabels, workerLabelsMax } from '#common/labels.ts';
import { hasZone, isLoopbackHost } from '#common/loopback.ts';
import { Secret } from '#common/secret.ts';
import { type DiskMode, diskModes } from './runtime/docker/disk/disk.ts';
import { type EgressSetting, egressRule, parseEgress } from './runtime/docker/egress/egress-setting.ts';
import { isRuntimeName, runtimeClassRule } from './runtime/docker/isolation/engine-facts.ts';
import { defaultSubnets, isPrivatePool, parseSubnetPool, type SubnetPool } from './runtime/docker/subnets.ts';
import type { Endpoint } from './session/endpoint.ts';

export const defaultEndpoint = 'http://localhost:8000';

export function parseEndpoints(value: string | undefined): readonly Endpoint[] {
  return (value ?? defaultEndpoint).split(',').map((part) => {
    if (hasZone(part)) throw new BadValue('cannot contain an IPv6 address with a zone (the part after "%")');
    const url = URL.parse(part.trim());
    if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
      throw new BadValue('must be http://HOST:PORT or https://HOST:PORT, several separated by commas');
    }
    if (url.username || url.password) throw new BadValue('must not contain a user or password: set WORKER_TOKEN');
    if (url.pathname !== '/' || url.search || url.hash) throw new BadValue('must end after the port');
    const tls = url.protocol === 'https:';
    const target = `${url.hostname}:${url.port || (tls ? '443' : '80')}`;
    return { url: url.origin, target, tls, loopback: isLoopbackHost(url.hostname) };
  });
}

export function parseWorkerId(value: string | undefined): string | undefined {
  if (value !== undefined && !workerIdPattern.test(value)) {
    throw new BadValue('must be 1 to 64 letters, digits, ".", "_" or "-", and not begin with a dot');
  }
  return value;
}

export function parseWorkerLabels(value: string | undefined): Labels {
  const words = (value ?? '').split(',').flatMap((word) => word.trim() || []);
  const labels = parseLabels(words, workerLabelsMax);
  if (!labels.ok) throw new BadValue(`must be like zone=eu,gpu=yes. ${labels.problem.message}`);
  return labels.value;
}

/** An http(s) URL without user information: it is handed to builds, and what builds know their authors can read. */
export function parsePublicUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new BadValue('must be an http or https URL');
  if (url.username || url.password) {
    throw new BadValue('must not contain a user or password: every bot could read them; use an index that needs none');
  }
  return value;
}

export function parseProxy(value: string | undefined): Secret | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new BadValue('must be an http or https URL');
  return new Secret(value);
}

const hourMs = 3_600_000;
const mostLogDays = 3650;

export function parseLogAge(value: string | undefined): number {
  const match = /^(\d{1,6})([hd])$/i.exec(value ?? '7d');
  const ms = match ? Number(match[1]) * (match[2]?.toLowerCase() === 'd' ? 24 : 1) * hourMs : Number.NaN;
  if (!(ms >= hourMs && ms <= mostLogDays * 24 * hourMs)) {
    throw new BadValue('must be a number with h or d, from 1h to 3650d, for example 7d');
  }
  return ms;
}

export function parseCpu(value: string | undefined): number {
  const cores = /^\d{1,4}(\.\d{1,3})?$/.test(value ?? '0.5') ? Number(value ?? '0.5') : Number.NaN;
  if (!(cores >= 0.01 && cores <= 1000)) throw new BadValue('must be a number of cores, for example 0.5');
  return Math.round(cores * 1000);
}

/** Docker's own rule for names of networks; "host" and "none" would take the isolation away. */
export function parseNetwork(value: string | undefined): string {
  const name = value ?? 'bot_runner_network';
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) throw new BadValue('is not a name of a Docker network');
  if (name === 'host' || name === 'none' || name === 'bridge') {
    throw new BadValue('must be a separate network, not host, none or bridge');
  }
  return name;
}

export function parseDiskMode(value: string | undefined): DiskMode | undefined {
  const mode = diskModes.find((one) => one === value);
  if (value !== undefined && mode === undefined) throw new BadValue('must be watch, sized or off');
  return mode;
}

export function parseEgressSetting(value: string | undefined): EgressSetting | undefined {
  const setting = value === undefined ? undefined : parseEgress(value);
  if (value !== undefined && setting === undefined) throw new BadValue(egressRule);
  return setting;
}

export function parseRuntimeClass(value: string | undefined): string | undefined {
  if (value !== undefined && !isRuntimeName(value)) throw new BadValue(runtimeClassRule);
  return value;
}

export function parseSubnets(value: string | undefined): SubnetPool {
  const pool = value === undefined ? defaultSubnets : parseSubnetPool(value);
  if (pool === undefined) {
    throw new BadValue(
      'must be ADDRESS/BITS:SIZE of IPv4, with 8 to 29 bits, for example 10.217.0.0/16:24 for networks of 253 bots',
    );
  }
  if (!isPrivatePool(pool)) throw new BadValue('must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16');
  return pool;
}

export function parseMirror(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const mirror = value.replace(/\/$/, '');
  const [host = '', ...prefix] = mirror.split('/');
  // As in image references: without a dot or a port the first part would be a folder of Docker Hub.
  const isHost = /^[a-z0-9][a-z0-9.-]*(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/.test(host);
  if (
    !isHost ||
    !/[.:]|^localhost$/.test(host) ||
    !prefix.every((part) => /^[a-z0-9]+([._-]+[a-z0-9]+)*$/.test(part))
  ) {
    throw new BadValue(
      'must be HOST[:PORT][/PREFIX] without https:// and in lower case, for example mirror.example.org:5000',
    );
  }
  return mirror;
}

export function parseAllow(value: string | undefined): FetchAllow {
  const allow = parseFetchAllow(value ?? '');
  if (allow === undefined) throw new BadValue('must be HOST:PORT, several separated by commas');
  return allow;
}

/** The length is the kernel's: https://man7.org/linux/man-pages/man7/unix.7.html (sun_path). */
export function parseSocketPath(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const path = absolutePath(value);
  if (Buffer.byteLength(path) > 107) throw new BadValue('must be a path whose absolute form has at most 107 bytes');
  return path;
}
