/** The addresses of the places that rules name: names are looked up, and keep their last addresses while that fails. */
import { lookup } from 'node:dns/promises';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { type Destination, destinationOf, type Place } from './places.ts';

type AskForAddresses = (name: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export type FindAddresses = (places: readonly Place[], signal: AbortSignal) => Promise<readonly Destination[]>;

const lookupMs = 5000;

export function createFindAddresses(
  clock: Clock,
  logger: Logger,
  lookUp: AskForAddresses = (name) => lookup(name, { all: true }),
): FindAddresses {
  const known = new Map<string, readonly Destination[]>();
  const failing = new Set<string>();
  const addressesOf = async (name: string, signal: AbortSignal): Promise<readonly Destination[]> => {
    try {
      const found = await withTimeLimit(clock, `looking up ${name}`, lookupMs, signal, () => lookUp(name));
      const all = found.map(({ address, family }): Destination => ({ family: family === 6 ? 6 : 4, range: address }));
      // Balancers answer with a few of many addresses: those of the last answers are kept as well.
      const kept = new Map([...(known.get(name) ?? []), ...all].slice(-addressesMax).map((to) => [to.range, to]));
      known.set(name, [...kept.values()]);
      failing.delete(name);
    } catch (error) {
      signal.throwIfAborted();
      if (!failing.has(name)) {
        logger.warn(
          { name, err: error },
          'a name in the settings has no address now: the firewall keeps the last it had',
        );
      }
      failing.add(name);
    }
    return known.get(name) ?? [];
  };
  return async (places, signal) => {
    const found = places.map(async (place): Promise<readonly Destination[]> => {
      const fixed = destinationOf(place);
      if (fixed !== undefined) return [fixed];
      return (await addressesOf(place.host, signal)).map((to) => ({ ...to, port: place.port }));
    });
    return (await Promise.all(found)).flat();
  };
}

const addressesMax = 64;
