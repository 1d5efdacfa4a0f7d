/**
 * What the networks of a worker are called: one for the bots of each user, and one for that user's builds. Pure.
 *
 * A network has a bridge on the host, and its name says whose it is and what for: rules of a firewall match it by its
 * beginning, so that they are there before the network is.
 */
import { shortHash } from '#common/ids.ts';

/** What is in a network: bots, or the steps of builds. */
export type NetworkUse = 'bots' | 'builds';

export interface NetworkName {
  readonly name: string;
  /** The name of the interface: 15 characters, the most that Linux takes. */
  readonly bridge: string;
}

/** `base` is DOCKER_NETWORK. Two workers of one engine have networks of their own. */
export function networkName(base: string, workerId: string, userId: string, use: NetworkUse): NetworkName {
  const name = `${base}_${userId}_${shortHash(`${workerId}\0${userId}`, 8)}`;
  return {
    name: use === 'bots' ? name : `${name}_build`,
    bridge: `${bridgePrefix(workerId, use)}${shortHash(`${base}\0${userId}`, 8)}`,
  };
}

/** What the bridges of a worker, and of no other worker's, begin with. */
export const bridgePrefix = (workerId: string, use: NetworkUse): string =>
  `${use === 'bots' ? 'bo' : 'bu'}${shortHash(workerId, 5)}`;

/** The bridge of a network that was made without a name for it, by the network's id. */
export const unnamedBridge = (networkId: string): string => `br-${networkId.slice(0, 12)}`;
