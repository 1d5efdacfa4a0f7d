/**
 * What each worker was told in its session, put together from the set that it began with and the changes since. It has to be what a whole
 * set would say now: a change that nobody noticed would never reach a worker.
 */
import { toJsonString } from '@bufbuild/protobuf';
import { botKeyText } from '#common/ids.ts';
import { type DesiredChanges, type Ensure, EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';

/** How long it may take, by whatever clock, differs from one telling to the next. */
const textOf = ({ deadlineAt: _at, remainingMs: _left, ...ensure }: Ensure): string =>
  toJsonString(EnsureSchema, ensure);

export class ToldSoFar {
  readonly #told = new Map<string, Map<string, readonly string[]>>();

  all(workerId: string, bots: readonly Ensure[]): void {
    this.#told.set(workerId, byBot(bots));
  }

  changes(workerId: string, { bots, gone }: DesiredChanges): void {
    const told = this.#told.get(workerId) ?? new Map();
    for (const [key, texts] of byBot(bots)) told.set(key, texts);
    for (const key of gone) told.delete(botKeyText(key));
  }

  /** Throws when the worker would have to be told otherwise. */
  check(workerId: string, bots: readonly Ensure[]): void {
    const now = byBot(bots);
    const told = this.#told.get(workerId) ?? new Map();
    for (const key of new Set([...now.keys(), ...told.keys()])) {
      const [said, should] = [told.get(key)?.join() ?? 'nothing', now.get(key)?.join() ?? 'nothing'];
      if (said !== should)
        throw new Error(`a change was not noticed: ${workerId} knows of ${key} ${said}, not ${should}`);
    }
  }
}

function byBot(bots: readonly Ensure[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const ensure of bots) found.set(botKeyText(ensure), [...(found.get(botKeyText(ensure)) ?? []), textOf(ensure)]);
  return found;
}
