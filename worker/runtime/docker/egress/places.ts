/**
 * Places on the network, as operators write them: in EGRESS, and in the settings whose servers builds and bots need. Pure:
 * names are resolved elsewhere.
 */
import { isIP } from 'node:net';

/** A host and, unless all of them are meant, a port. */
export interface Place {
  /** A name, an address, or a range as ADDRESS/BITS; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number | undefined;
}

/** A place whose host is an address or a range. */
export interface Destination {
  readonly family: 4 | 6;
  readonly range: string;
  readonly port?: number | undefined;
}

const namePattern =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** HOST, HOST:PORT, ADDRESS/BITS, ADDRESS/BITS:PORT, IPv6 in brackets; undefined for anything else. */
export function parsePlace(text: string): Place | undefined {
  const match = /^(?:\[([^\]]*)\](\/\d{1,3})?|([^:[\]/]+)(\/\d{1,2})?)(?::(\d{1,5}))?$/.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const [, six, sixBits, other, bits, digits] = match;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && !(port >= 1 && port <= 65_535)) return undefined;
  const withPort = (host: string): Place => ({ host, ...(port !== undefined && { port }) });
  if (six !== undefined) {
    if (isIP(six) !== 6 || six.includes('%') || Number(sixBits?.slice(1) ?? 128) > 128) return undefined;
    return withPort(`${six}${sixBits ?? ''}`);
  }
  const host = other ?? '';
  if (isIP(host) === 4) return Number(bits?.slice(1) ?? 32) > 32 ? undefined : withPort(`${host}${bits ?? ''}`);
  // A name of numbers alone is an address in a spelling that programs read in different ways.
  return bits === undefined && namePattern.test(host) && !/^[\d.]+$/.test(host) ? withPort(host) : undefined;
}

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Where an http(s) URL leads; undefined for another. */
export function placeOfUrl(text: string | undefined): Place | undefined {
  const url = text === undefined ? null : URL.parse(text);
  const port = url === null ? 0 : Number(url.port) || (defaultPorts[url.protocol] ?? 0);
  return url === null || port === 0 ? undefined : { host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** The host of REGISTRY_MIRROR, HOST[:PORT][/PREFIX]: with a port, or else with those that an engine tries. */
export function placesOfRegistry(mirror: string | undefined): readonly Place[] {
  const place = mirror === undefined ? undefined : parsePlace(mirror.split('/')[0] ?? '');
  if (place === undefined) return [];
  return place.port === undefined ? [443, 80].map((port) => ({ ...place, port })) : [place];
}

/** Undefined for a name. */
export function destinationOf({ host, port }: Place): Destination | undefined {
  const family = isIP(host.split('/')[0] ?? '');
  if (family !== 4 && family !== 6) return undefined;
  return { family, range: host, ...(port !== undefined && { port }) };
}

export const placeText = ({ host, port }: Place): string => {
  const shown = host.includes(':') ? host.replace(/^([^/]*)/, '[$1]') : host;
  return port === undefined ? shown : `${shown}:${port}`;
};
