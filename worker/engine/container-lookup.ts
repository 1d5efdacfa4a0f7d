/** Finds containers by bot: many who ask at once share one list, and nobody gets a list that began before they asked. */
import type { Clock } from '#common/clock.ts';
import { type BotKey, botKeyText, containerName } from '#common/ids.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import type { ContainerFacts, ContainerRuntime } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';

export interface ContainerLookup {
  list(): Promise<readonly ContainerFacts[]>;
  find(key: BotKey): Promise<ContainerFacts | undefined>;
  /** Containers of bots that are not this worker's. */
  strays(): Promise<readonly Stray[]>;
  /** The one that has the name of the bot's own, if there is one. */
  strayOf(key: BotKey): Promise<Stray | undefined>;
}

const listLimitMs = 10_000;

export function createContainerLookup(runtime: ContainerRuntime, clock: Clock): ContainerLookup {
  const limited = <T>(work: (signal: AbortSignal) => Promise<T>) =>
    withTimeLimit(clock, 'listing containers', listLimitMs, undefined, work);
  const list = shared(() => limited((signal) => runtime.list(signal)));
  const strays = shared(() => limited((signal) => runtime.strays(signal)));
  return {
    list,
    strays,
    async strayOf(key) {
      const name = containerName(key);
      return (await strays()).find((stray) => stray.name === name);
    },
    async find(key) {
      const wanted = botKeyText(key);
      const found = (await list()).filter((facts) => botKeyText(facts.key) === wanted);
      return found.find(({ status }) => status === 'running') ?? found[0];
    },
  };
}

/** Nobody gets an answer to a question that was asked before theirs; those who ask meanwhile share the next one. */
function shared<T>(ask: () => Promise<readonly T[]>): () => Promise<readonly T[]> {
  let current: Promise<readonly T[]> = Promise.resolve([]);
  let following: Promise<readonly T[]> | undefined;
  const begin = () => {
    following = undefined;
    current = ask();
    return current;
  };
  return () => {
    // After the one that is under way, however it ends.
    following ??= current.then(begin, begin);
    return following;
  };
}
