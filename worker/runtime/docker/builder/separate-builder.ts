/**
 * Builders beside the bots' engine: of each user one, made when it is needed, with an image store of its own. It sees nothing of
 * the bots' engine but the images that are lent to it, and nothing of other users.
 *
 * 1. A builder stays while a build uses it, and for some minutes after the last: the next build finds base images and cache.
 * 2. What it has is in its volume, which outlives the container until the user has no bots here.
 * 3. Of the image that it made, the bots' engine gets exactly one, under the name that the build has.
 */
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { problem } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { asFailure } from '../../../failures/chances.ts';
import type { Owner } from '../../strays.ts';
import { list, record, text, texts } from '../answers.ts';
import type { BuildEngine, BuildEngines } from '../build-engine.ts';
import { createBuildLeftovers } from '../build-leftovers.ts';
import type { Firewall } from '../egress/firewall.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { hasImage } from '../images.ts';
import type { BotNetworks } from '../network.ts';
import { pullImage } from '../pull.ts';
import type { ProvableBuilder } from './builder-check.ts';
import {
  type BuilderContainerDeps,
  BuilderStartError,
  builderLabels,
  isOwnBuilder,
  type RunningBuilder,
  removeOwnBuilders,
  removeStore,
  startBuilder,
} from './builder-container.ts';
import { deliverImage } from './deliver-image.ts';
import { type LendDeps, lendImage } from './lent-images.ts';

export interface SeparateBuilderDeps extends BuilderContainerDeps, LendDeps {
  readonly engine: EngineClient;
  readonly owner: Owner;
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SeparateBuilders extends BuildEngines, Pick<ProvableBuilder, 'limits'> {
  during: ProvableBuilder['during'];
  /** Makes the user's builder, if there is none. CONTAINER_ERROR when that cannot be. */
  ready(userId: string, signal: AbortSignal): Promise<void>;
  /** Removes the builders that nobody uses, and the volumes of users who have no bots here any more. */
  sweep(signal: AbortSignal): Promise<void>;
  /** Removes all builders; their volumes stay. */
  close(signal: AbortSignal): Promise<void>;
}

/** With the pull of its image. */
const startMs = 900_000;
/** How long a builder waits for the next build. */
const idleMs = 600_000;
/** So many wait at most; each is an engine, of some 100 MB. */
const idleMax = 4;
const removalMs = 60_000;

interface Entry {
  readonly userId: string;
  starting: Promise<RunningBuilder>;
  running: RunningBuilder | undefined;
  builds: number;
  idleSinceMs: number;
  readonly lending: Semaphore;
}

export function createSeparateBuilders(deps: SeparateBuilderDeps): SeparateBuilders {
  const { networks, firewall, clock, logger } = deps;
  const entries = new Map<string, Entry>();
  /** Removals of containers, whose names the next ones of these users need. */
  const leaving = new Map<string, Promise<void>>();
  let leftovers: Promise<void> | undefined;

  /** Of a run of this worker before: its builds have ended with it. */
  const tidied = (signal: AbortSignal): Promise<void> => {
    leftovers ??= removeOwnBuilders(deps, signal).then(
      (count) => {
        if (count > 0) logger.info({ builders: count }, 'removed builders left by an earlier run of this worker');
      },
      (error: unknown) => {
        leftovers = undefined;
        throw error;
      },
    );
    return leftovers;
  };

  const start = async (userId: string, signal: AbortSignal): Promise<RunningBuilder> => {
    await tidied(signal);
    await leaving.get(userId);
    await pulled(deps, signal);
    await firewall.ready(signal);
    const network = await networks.ensure(userId, 'builds', signal);
    const startedMs = clock.monotonicMs();
    const builder = await startBuilder(deps, { userId, network }, signal).catch(async (error: unknown) => {
      if (!(error instanceof BuilderStartError)) throw error;
      // What it fails at may be its store, which holds nothing but a cache.
      logger.warn({ userId, engine: error.text }, 'a builder did not start, and is made again with an empty store');
      await removeStore(deps, userId, signal);
      return startBuilder(deps, { userId, network }, signal);
    });
    logger.info({ userId, ms: Math.round(clock.monotonicMs() - startedMs) }, 'a builder has started');
    return builder;
  };

  /** No build's abort ends the start of a builder that others may wait for. */
  const entryOf = (userId: string): Entry => {
    const known = entries.get(userId);
    if (known !== undefined) return known;
    const made: Entry = {
      userId,
      starting: start(userId, AbortSignal.timeout(startMs)),
      running: undefined,
      builds: 0,
      idleSinceMs: 0,
      lending: new Semaphore(1),
    };
    entries.set(userId, made);
    made.starting.then(
      (running) => {
        made.running = running;
      },
      () => {
        if (entries.get(userId) === made) entries.delete(userId);
      },
    );
    return made;
  };

  const drop = async (entry: Entry, signal: AbortSignal): Promise<void> => {
    if (entries.get(entry.userId) === entry) entries.delete(entry.userId);
    const running = await entry.starting.catch(() => undefined); // there is none to be removed
    if (running === undefined) return;
    const removal = running.remove(signal);
    const gone = removal
      .catch(() => {}) // its caller hears of it, and whoever waits for the name tries himself
      .then(() => {
        if (leaving.get(entry.userId) === gone) leaving.delete(entry.userId);
      });
    leaving.set(entry.userId, gone);
    await removal;
  };

  /** Counts the caller among its builds. One that somebody has removed, or that has ended, is replaced. */
  const usable = async (userId: string, signal: AbortSignal): Promise<{ entry: Entry; running: RunningBuilder }> => {
    for (let tries = 1; ; tries += 1) {
      const entry = entryOf(userId);
      entry.builds += 1;
      try {
        const running = await orAbort(signal, entry.starting);
        if (tries > 1 || (await running.isRunning(signal))) return { entry, running };
      } catch (error) {
        entry.builds -= 1;
        throw signal.aborted ? error : notMade(error);
      }
      entry.builds -= 1;
      await drop(entry, signal);
    }
  };

  const notMade = (error: unknown): unknown => {
    if (!(error instanceof EngineRefusal)) return error;
    logger.warn({ status: error.status, engine: error.text }, 'a builder could not be made');
    const failed = problem('CONTAINER_ERROR', 'The worker could not make a builder for the image.', {
      hint: 'The operator sees the cause in the log of the worker; see "Builds" in docs/SECURITY.md.',
    });
    return asFailure(failed, 'briefly', { cause: error });
  };

  const surplus = () =>
    [...entries.values()]
      .filter(({ builds, running }) => builds === 0 && running !== undefined)
      .toSorted((a, b) => b.idleSinceMs - a.idleSinceMs)
      .filter(({ idleSinceMs }, index) => index >= idleMax || clock.monotonicMs() - idleSinceMs >= idleMs);

  const removeSurplus = async (signal: AbortSignal): Promise<void> => {
    // While one was being removed, a build may have begun in another.
    for (const entry of surplus()) if (entry.builds === 0) await drop(entry, signal);
  };

  let cancelTidying = () => {};
  const tidyUp = () =>
    inBackground(removeSurplus(AbortSignal.timeout(removalMs)), (error) =>
      logger.debug({ err: error }, 'a builder that nobody uses could not be removed yet'),
    );

  const during: SeparateBuilders['during'] = (userId, signal, work) =>
    networks.during(userId, 'builds', async () => {
      const { entry, running } = await usable(userId, signal);
      try {
        return await work(engineOf(deps, entry, running), { id: running.containerId, run: running.run });
      } finally {
        entry.builds -= 1;
        entry.idleSinceMs = clock.monotonicMs();
        tidyUp();
        cancelTidying();
        cancelTidying = clock.after(idleMs, tidyUp);
      }
    });

  return {
    limits: deps.limits,
    during,
    ready: (userId, signal) => during(userId, signal, async () => {}),
    async sweep(signal) {
      await tidied(signal);
      await removeSurplus(signal);
      await removeVolumes(deps, (userId) => entries.has(userId), signal);
    },
    async close(signal) {
      cancelTidying();
      await Promise.all([...entries.values()].map((entry) => drop(entry, signal)));
    },
  };
}

async function pulled(deps: SeparateBuilderDeps, signal: AbortSignal): Promise<void> {
  const { engine, image } = deps;
  if (await hasImage(engine, image, signal)) return;
  const pull = { userId: '', reference: image, credentials: undefined, pull: false, onOutput: () => {} };
  deps.logger.info({ image }, 'pulling the image of the builder');
  await pullImage(deps, pull, signal);
}

function engineOf(deps: SeparateBuilderDeps, { lending }: Entry, { client }: RunningBuilder): BuildEngine {
  const { engine, owner, logger } = deps;
  return {
    kind: 'buildkit',
    keepsLayers: true,
    client,
    leftovers: createBuildLeftovers(client, owner, logger),
    // Its own one, whose members do not reach each other; beyond it lies the user's network of builds.
    network: async () => 'default',
    bringBase: async (image, onOutput, signal) => {
      const release = await lending.acquire(signal);
      try {
        await lendImage(deps, client, image, onOutput, signal);
      } finally {
        release();
      }
    },
    deliver: (image, signal) => deliverImage({ from: client, to: engine }, image, signal),
  };
}

/** A user without a network of bots has had no bot here for an hour. */
async function removeVolumes(
  deps: SeparateBuilderDeps,
  isUsed: (userId: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { engine, workerId, networks } = deps;
  const filters = { label: [`${builderLabels.workerId}=${workerId}`] };
  const answer = record(await engine.call({ method: 'GET', path: '/volumes', query: { filters } }, signal));
  const names = list(await engine.call({ method: 'GET', path: '/networks' }, signal)).map((one) =>
    text(record(one)['Name']),
  );
  for (const volume of list(answer['Volumes']).map(record)) {
    const labels = texts(volume['Labels']);
    const userId = labels[builderLabels.userId] ?? '';
    if (!isOwnBuilder(labels, deps) || isUsed(userId) || names.includes(networks.name(userId, 'bots'))) continue;
    try {
      await engine.call({ method: 'DELETE', path: `/volumes/${text(volume['Name'])}` }, signal);
    } catch (error) {
      // 409: a builder has just been made again.
      if (!hasStatus(error, 404, 409)) throw error;
    }
  }
}
