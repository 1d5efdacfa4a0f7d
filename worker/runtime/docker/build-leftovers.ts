/**
 * Containers of build steps that a worker which was killed has left: the builder gives them no name, and those of a user's own
 * Dockerfile no label. All that a build can put on them is an entry of their /etc/hosts, so that is where they are marked: with
 * a name that only this worker can make, from its key. What has it is a step of one of its builds, and nothing else is removed.
 */
import { createHmac } from 'node:crypto';
import type { Logger } from '#common/log.ts';
import { labelNames, type SigningKey } from '../labels.ts';
import type { Owner } from '../strays.ts';
import { list, record, text, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** An entry as the engine takes it in `extrahosts`. Reserved by RFC 6761, so that no lookup is led astray by it. */
export const stepMark = ({ workerId, signingKey }: { workerId: string; signingKey: SigningKey }): string =>
  `build-${createHmac('sha256', signingKey.reveal()).update(`build steps of ${workerId}`).digest('hex').slice(0, 40)}.invalid:127.0.0.1`;

export interface BuildLeftovers {
  /** Resolves when they are gone; at once from then on. Call it before each build: what it finds is of no build of this process. */
  gone(signal: AbortSignal): Promise<void>;
}

export function createBuildLeftovers(engine: EngineClient, owner: Owner, logger: Logger): BuildLeftovers {
  let removal: Promise<void> | undefined;
  return {
    gone(signal) {
      removal ??= removeMarked(engine, stepMark(owner), logger, signal).catch((error: unknown) => {
        // An engine that is away: the next who asks tries again.
        removal = undefined;
        throw error;
      });
      return removal;
    },
  };
}

async function removeMarked(engine: EngineClient, mark: string, logger: Logger, signal: AbortSignal): Promise<void> {
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query: { all: true } }, signal));
  for (const entry of found.map(record)) {
    if (texts(entry['Labels'])[labelNames.marker] === 'true') continue;
    const path = `/containers/${text(entry['Id'])}`;
    try {
      const { HostConfig } = record(await engine.call({ method: 'GET', path: `${path}/json` }, signal));
      if (!list(record(HostConfig)['ExtraHosts']).includes(mark)) continue;
      await engine.call({ method: 'DELETE', path, query: { force: true, v: true } }, signal);
      logger.info(
        { container: text(entry['Id']).slice(0, 12) },
        'removed a build step left by an earlier run of this worker',
      );
    } catch (error) {
      // It has gone meanwhile, or the builder is removing it.
      if (!hasStatus(error, 404, 409)) throw error;
    }
  }
}
