/**
 * Removes images of bots that nobody needs, when the engine's disk is nearly full. A bot that needs one again has it made again: so it must not be one
 * that was just made, or was just found to be there, for a container that is about to be created.
 */
import type { Clock } from '#common/clock.ts';
import { type BotKey, imageRepository } from '#common/ids.ts';
import { labelNames } from '../../labels.ts';
import { list, record, texts } from '../answers.ts';
import type { CodeStore } from '../code-store.ts';
import type { EngineClient } from '../engine-client.ts';
import { removeBotImages, usedImages } from '../images.ts';

/** Which bots' images are being made, or were needed a short while ago. */
export interface NeededImages {
  /** The image of that name is needed now, and for a while. */
  need(image: string): void;
  /** As `need`, as long as the work takes as well. */
  during<T>(image: string, work: () => Promise<T>): Promise<T>;
  /** Whether any image of the repository, which is the bot's, is needed. */
  isNeeded(repository: string): boolean;
}

/** Longer than a start may wait for its turn once its image is there. */
const neededMs = 900_000;

const repositoryOf = (image: string): string => image.split(':')[0] ?? '';

export function createNeededImages(clock: Pick<Clock, 'monotonicMs'>): NeededImages {
  /** Oldest first. */
  const lastMs = new Map<string, number>();
  const working = new Map<string, number>();
  const need = (image: string): void => {
    const now = clock.monotonicMs();
    for (const [repository, atMs] of lastMs) {
      if (now - atMs < neededMs) break;
      lastMs.delete(repository);
    }
    lastMs.delete(repositoryOf(image));
    lastMs.set(repositoryOf(image), now);
  };
  return {
    need,
    async during(image, work) {
      const repository = repositoryOf(image);
      working.set(repository, (working.get(repository) ?? 0) + 1);
      try {
        return await work();
      } finally {
        const left = (working.get(repository) ?? 1) - 1;
        if (left === 0) working.delete(repository);
        else working.set(repository, left);
        need(image);
      }
    },
    isNeeded: (repository) =>
      working.has(repository) || clock.monotonicMs() - (lastMs.get(repository) ?? Number.NEGATIVE_INFINITY) < neededMs,
  };
}

export interface PruneDeps {
  readonly engine: EngineClient;
  readonly code: CodeStore;
  readonly needed: NeededImages;
  /** Whose images are this worker's. */
  readonly workerIds: () => readonly string[];
}

/** Images of this worker's bots that no container uses, and nobody has needed for a while. */
export async function pruneUnusedImages(deps: PruneDeps, signal: AbortSignal): Promise<void> {
  const { engine, code, needed, workerIds } = deps;
  const filters = { label: [`${labelNames.marker}=true`] };
  const found = list(await engine.call({ method: 'GET', path: '/images/json', query: { filters } }, signal));
  const owners = new Map<string, { readonly key: BotKey; readonly workerId: string }>();
  for (const image of found) {
    const labels = texts(record(image)['Labels']);
    const [userId, botId, workerId] = [labelNames.userId, labelNames.botId, labelNames.workerId].map(
      (name) => labels[name] ?? '',
    );
    if (!userId || !botId || !workerId || !workerIds().includes(workerId)) continue;
    owners.set([userId, botId, workerId].join('\0'), { key: { userId, botId }, workerId });
  }
  const used = owners.size === 0 ? [] : await usedImages(engine, signal);
  for (const owner of owners.values()) {
    if (needed.isNeeded(imageRepository(owner.key))) continue;
    await removeBotImages({ engine, code }, owner, used, signal);
  }
}
