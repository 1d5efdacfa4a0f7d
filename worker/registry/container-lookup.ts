/** Finds containers by bot: many who ask at once share one list, and nobody gets a list that began before they asked. */
import type { Clock } from '#common/clock.ts';
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { ContainerFacts, ContainerRuntime } from '../runtime/container-runtime.ts';
import { withTimeLimit } from '../waiting/time-limit.ts';

export interface ContainerLookup {
  list(): Promise<readonly ContainerFacts[]>;
  find(key: BotKey): Promise<ContainerFacts | undefined>;
}

const listLimitMs = 10_000;

export function createContainerLookup(runtime: ContainerRuntime, clock: Clock): ContainerLookup {
  let current: Promise<readonly ContainerFacts[]> = Promise.resolve([]);
  let following: Promise<readonly ContainerFacts[]> | undefined;
  const begin = () => {
    following = undefined;
    current = withTimeLimit(clock, 'listing containers', listLimitMs, undefined, (signal) => runtime.list(signal));
    return current;
  };
  const list = () => {
    // After the one that is under way, however it ends.
    following ??= current.then(begin, begin);
    return following;
  };
  return {
    list,
    async find(key) {
      const wanted = botKeyText(key);
      const found = (await list()).filter((facts) => botKeyText(facts.key) === wanted);
      return found.find(({ status }) => status === 'running') ?? found[0];
    },
  };
}
