/**
 * The addresses of networks: ranges of one size, taken one after the other from a larger one. The engine's own ranges are
 * left alone: there are about thirty of them, and other networks of the host need them too. IPv4. Pure.
 */

/** Ranges of 2^(32-size) addresses within `base`. */
export interface SubnetPool {
  /** First address of the whole, as a number. */
  readonly base: number;
  /** Bits of the whole's prefix, and of each range's. */
  readonly bits: number;
  readonly size: number;
}

/** 10.217.0.0/16:24, of private ranges one that few use. */
export const defaultSubnets: SubnetPool = { base: (10 * 256 + 217) * 256 * 256, bits: 16, size: 24 };

interface Range {
  readonly first: number;
  readonly last: number;
}

const defaultSize = 24;
// One bot and the bridge; the engine has no network of fewer addresses.
const largestSize = 29;

/** ADDRESS/BITS or ADDRESS/BITS:SIZE, as in 10.217.0.0/16:24; undefined for anything else. */
export function parseSubnetPool(text: string): SubnetPool | undefined {
  const match = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})(?::(\d{1,2}))?$/.exec(text.trim());
  const base = addressNumber(match?.[1] ?? '');
  const bits = Number(match?.[2]);
  const size = match?.[3] === undefined ? Math.max(defaultSize, bits) : Number(match[3]);
  if (base === undefined || !(bits >= 8 && bits <= size && size <= largestSize)) return undefined;
  return base % 2 ** (32 - bits) === 0 ? { base, bits, size } : undefined;
}

export const subnetsIn = ({ bits, size }: SubnetPool): number => 2 ** (size - bits);

/** The first range that meets none of `taken` (each as ADDRESS/BITS; what is not IPv4 meets none); undefined when there is none. */
export function freeSubnet(pool: SubnetPool, taken: readonly string[]): string | undefined {
  const ranges = taken.flatMap((text) => rangeOf(text) ?? []);
  const step = 2 ** (32 - pool.size);
  for (let count = 0, first = pool.base; count < subnetsIn(pool); count += 1, first += step) {
    const last = first + step - 1;
    if (!ranges.some((range) => range.first <= last && first <= range.last))
      return `${addressText(first)}/${pool.size}`;
  }
  return undefined;
}

/** The address of the bridge: the first one behind the range's own. */
export const gatewayOf = (subnet: string): string => addressText((rangeOf(subnet)?.first ?? 0) + 1);

/** Whether all of it is private (RFC 1918): anything else is somebody's. */
export const isPrivatePool = ({ base, bits }: SubnetPool): boolean =>
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].some((text) => {
    const range = rangeOf(text);
    return range !== undefined && range.first <= base && base + 2 ** (32 - bits) - 1 <= range.last;
  });

function rangeOf(text: string): Range | undefined {
  const [address = '', bits = ''] = text.split('/');
  const number = addressNumber(address);
  if (number === undefined || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) return undefined;
  const size = 2 ** (32 - Number(bits));
  const first = number - (number % size);
  return { first, last: first + size - 1 };
}

function addressNumber(text: string): number | undefined {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN));
  if (parts.length !== 4 || !parts.every((part) => part <= 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

const addressText = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
