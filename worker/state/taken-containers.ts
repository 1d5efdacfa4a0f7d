/** The file that remembers which containers an operator gave to this worker. */
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

/** The strays that an operator gave to this worker: from then on they are its own, whatever their signature says. */
export interface TakenContainers {
  has(id: string): boolean;
  /** `workerId`: the worker that had made it, whose volumes and images of the bot are this worker's from now on, too. */
  add(id: string, workerId: string): Promise<void>;
  /** Ids of former workers, and this worker's own. */
  readonly workerIds: readonly string[];
}

interface Entry {
  readonly id: string;
  readonly workerId: string;
}

export async function openTakenContainers(path: string, ownWorkerId: string): Promise<TakenContainers> {
  const text = (await readFileIfAny(path))?.toString();
  // Written below, whole or not at all.
  let entries: readonly Entry[] = text === undefined ? [] : (JSON.parse(text) as Entry[]);
  return {
    has: (id) => entries.some((entry) => entry.id === id),
    async add(id, workerId) {
      const next = [...entries.filter((entry) => entry.id !== id), { id, workerId }];
      await writeFileAtomic(path, JSON.stringify(next));
      entries = next;
    },
    get workerIds() {
      return [...new Set([ownWorkerId, ...entries.map((entry) => entry.workerId)])];
    },
  };
}
