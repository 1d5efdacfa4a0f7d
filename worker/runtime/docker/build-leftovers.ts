/**
 * What builds have left that could not be removed at once.
 *
 * Containers of build steps that a worker which was killed has left: the builder gives them no name, and those of a user's own
 * Dockerfile no label. All that a build can put on them is an entry of their /etc/hosts, so that is where they are marked: with
 * a name that only this worker can make, from its key. Only containers with it, steps of its builds, are removed.
 *
 * What a build of this worker could not remove when it failed, because the engine was away, is owed: it is removed as soon as the
 * engine answers. The next build of the bot would do it too, but a bot that was deleted has none.
 */
import { createHmac } from 'node:crypto';
import type { Logger } from '#common/log.ts';
import { labelNames, type SigningKey } from '../labels.ts';
import type { Owner } from '../strays.ts';
import { list, record, text, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** What the marks of all builds of a worker begin with, and what that of one scope has besides. */
const marksOf = ({ workerId, signingKey }: { workerId: string; signingKey: SigningKey }) => {
  const hash = (text: string) => createHmac('sha256', signingKey.reveal()).update(text).digest('hex').slice(0, 24);
  const prefix = `build-${hash(`build steps of ${workerId}`)}-`;
  // Reserved by RFC 6761, so that no lookup is led astray by it.
  return { prefix, of: (scope: string) => `${prefix}${hash(`build steps for ${scope}`)}.invalid:127.0.0.1` };
};

export interface BuildLeftovers {
  /** Resolves when they are gone; at once from then on. Call it before each build: what it finds is of no build of this process. */
  gone(signal: AbortSignal): Promise<void>;
  /** What the steps of a build of that scope are marked with: an entry as the engine takes it in `extrahosts`. */
  markOf(scope: string): string;
  /** Removes the unlabelled steps of builds of that scope. Returns how many there were. */
  removeSteps(scope: string, signal: AbortSignal): Promise<number>;
  /** `remove` is to be called when the engine answers again, in place of what is owed for that scope already. */
  owe(scope: string, remove: () => Promise<void>): void;
  /** A build of the scope begins, which removes what it finds itself. Resolves when nothing else removes things of the scope. */
  taken(scope: string): Promise<void>;
  /** The engine answers: removes what is owed, as far as that can be done. Never rejects. */
  settle(): Promise<void>;
}

export function createBuildLeftovers(engine: EngineClient, owner: Owner, logger: Logger): BuildLeftovers {
  const marks = marksOf(owner);
  let removal: Promise<void> | undefined;
  const owed = new Map<string, () => Promise<void>>();
  let settling: Promise<void> | undefined;
  const settleAll = async () => {
    for (const [scope, remove] of owed) {
      try {
        await remove();
        // Unless something newer is owed by now.
        if (owed.get(scope) === remove) owed.delete(scope);
      } catch (error) {
        logger.debug({ scope, err: error }, 'leftovers of a failed build could not be removed yet');
      }
    }
  };
  return {
    markOf: marks.of,
    removeSteps: (scope, signal) => removeMarked(engine, (mark) => mark === marks.of(scope), signal),
    owe: (scope, remove) => {
      owed.set(scope, remove);
    },
    async taken(scope) {
      owed.delete(scope);
      await settling;
    },
    settle() {
      settling ??= settleAll().finally(() => {
        settling = undefined;
      });
      return settling;
    },
    gone(signal) {
      removal ??= removeMarked(engine, (mark) => mark.startsWith(marks.prefix), signal).then(
        (count) => {
          if (count > 0)
            logger.info({ containers: count }, 'removed build steps left by an earlier run of this worker');
        },
        (error: unknown) => {
          // An engine that is away: the next caller tries again.
          removal = undefined;
          throw error;
        },
      );
      return removal;
    },
  };
}

/** Returns how many there were. */
async function removeMarked(
  engine: EngineClient,
  isMark: (entry: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query: { all: true } }, signal));
  let count = 0;
  for (const entry of found.map(record)) {
    // A bot's own container. The marker would not do: the step that puts it on an image has it too.
    if (texts(entry['Labels'])[labelNames.signature] !== undefined) continue;
    const path = `/containers/${text(entry['Id'])}`;
    try {
      const { HostConfig } = record(await engine.call({ method: 'GET', path: `${path}/json` }, signal));
      if (!list(record(HostConfig)['ExtraHosts']).map(text).some(isMark)) continue;
      count += 1;
      await engine.call({ method: 'DELETE', path, query: { force: true, v: true } }, signal);
    } catch (error) {
      // It has gone meanwhile, or the builder is removing it.
      if (!hasStatus(error, 404, 409)) throw error;
    }
  }
  return count;
}
