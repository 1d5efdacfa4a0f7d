/** EGRESS: where bots and builds may connect to. Pure. */
import { type Place, parsePlace } from './places.ts';

export type EgressSetting =
  /** No rules: whatever the host can reach. */
  | { readonly kind: 'open' }
  /** The places, and with `internet` every public address but mail servers. */
  | { readonly kind: 'filtered'; readonly internet: boolean; readonly allow: readonly Place[] };

export const egressRule =
  'must be internet, open, or allow: and a list of HOST, HOST:PORT or ADDRESS/BITS, for example allow:api.telegram.org:443,10.0.0.5:6379; "internet" may be in the list';

const placesMax = 200;

/** Undefined for a value that breaks egressRule. */
export function parseEgress(text: string): EgressSetting | undefined {
  const value = text.trim();
  if (value === 'open') return { kind: 'open' };
  if (value === 'internet') return { kind: 'filtered', internet: true, allow: [] };
  const words = /^allow:(.*)$/s
    .exec(value)?.[1]
    ?.split(',')
    .map((word) => word.trim());
  if (words === undefined || words.includes('') || words.length > placesMax) return undefined;
  const rest = words.filter((word) => word !== 'internet');
  const allow = rest.flatMap((word) => parsePlace(word) ?? []);
  return allow.length < rest.length ? undefined : { kind: 'filtered', internet: rest.length < words.length, allow };
}
