/** Containers of bots: start, stop, remove, look (create-container.ts makes them). Only those of this worker with a valid signature exist here. */

import { type Clock, sleep } from '#common/clock.ts';
import { volumeName } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { asFailure } from '../../failures/chances.ts';
import { type ContainerFacts, EngineUnavailableError, type StopReport } from '../container-runtime.ts';
import type { Owner } from '../strays.ts';
import { record, text } from './answers.ts';
import type { CodeImages } from './code-image.ts';
import type { CodeStore } from './code-store.ts';
import { containerFacts } from './container-facts.ts';
import { envValues, noSuchContainer, refusalProblem } from './container-refusals.ts';
import { copyCode } from './copy-code.ts';
import type { DataOwners } from './data-owners.ts';
import type { EngineDisk } from './disk/disk.ts';
import { withDevices } from './disk/with-devices.ts';
import type { Firewall } from './egress/firewall.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal, hasStatus } from './engine-errors.ts';
import { plainName } from './images.ts';
import type { Isolation } from './isolation/isolation.ts';
import { isPlainProgram, type KnownContainer, type KnownContainers } from './known-containers.ts';
import type { LostRuns } from './lost-runs.ts';
import { type BotNetworks, withNetwork } from './network.ts';
import { isBehindShell } from './processes.ts';

export interface ContainerDeps {
  readonly engine: EngineClient;
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly code: CodeStore;
  readonly codeImages: Pick<CodeImages, 'need'>;
  readonly isolation: Pick<Isolation, 'confinement' | 'assertPossible' | 'ownImage'>;
  /** For files that are gone when a call is done. */
  readonly spoolDir: string;
  readonly known: KnownContainers;
  readonly lostRuns: LostRuns;
  readonly owners: DataOwners;
  readonly disk: EngineDisk;
}

export const removalMs = 30_000;

/** By id or, where only a name is known, by the whole name. */
export async function inspectContainer(
  deps: ContainerDeps,
  id: string,
  signal: AbortSignal,
): Promise<ContainerFacts | undefined> {
  return (await seeContainer(deps, id, signal))?.facts;
}

interface SeenContainer {
  readonly facts: ContainerFacts;
  /** The name of the image that it was made of. */
  readonly image: string;
}

async function seeContainer(
  { engine, owner, known }: ContainerDeps,
  id: string,
  signal: AbortSignal,
): Promise<SeenContainer | undefined> {
  try {
    const answer = await engine.call({ method: 'GET', path: `/containers/${encodeURIComponent(id)}/json` }, signal);
    const facts = containerFacts(answer, owner);
    if (facts === undefined) {
      known.forget(text(record(answer)['Id']));
      return undefined;
    }
    const isWhole = facts.status !== 'created' || known.get(facts.id)?.isWhole === true;
    const isPlain = isPlainProgram(text(record(answer)['Path']));
    const isSure = facts.status === 'running' || known.get(facts.id)?.isSure === true;
    known.set(facts.id, { isWhole, isPlain, userId: facts.key.userId, volume: volumeName(facts.key), isSure });
    return { facts, image: plainName(text(record(record(answer)['Config'])['Image'])) };
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    known.forget(id);
    return undefined;
  }
}

/** What can be done to a container without a look at it first: only Docker accepts what is already done. */
async function knownToDocker(
  { engine, known }: ContainerDeps,
  id: string,
  signal: AbortSignal,
): Promise<KnownContainer | undefined> {
  const found = known.get(id);
  return found?.isWhole && (await engine.kind(signal)) === 'docker' ? found : undefined;
}

/** Whether it is there and one of this worker's. Docker is not asked about one that is known: its next answer says if it is gone. */
export const isOwn = async (deps: ContainerDeps, id: string, signal: AbortSignal): Promise<boolean> =>
  (await knownToDocker(deps, id, signal)) !== undefined || (await inspectContainer(deps, id, signal)) !== undefined;

export async function startContainer(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<void> {
  let userId = (await knownToDocker(deps, id, signal))?.userId;
  if (userId === undefined) {
    const seen = await seeContainer(deps, id, signal);
    if (seen === undefined) throw noSuchContainer();
    await completeContainer(deps, id, seen, signal);
    userId = seen.facts.key.userId;
  }
  const { networks, firewall, disk } = deps;
  await firewall.ready(signal);
  await disk.roomFor('The bot is not started', signal);
  try {
    const start = () => withDevices(disk.sized, signal, () => askToStart(deps, id, signal));
    await withNetwork(networks, { userId, use: 'bots' }, signal, start);
  } catch (error) {
    if (isGone(error)) {
      deps.known.forget(id);
      throw noSuchContainer();
    }
    const failure = refusalProblem(deps, error, 'start', await envValues(deps, id, signal));
    if (!wasCutShort(error) || !(failure instanceof ProblemError)) throw failure;
    const facts = await inspectContainer(deps, id, signal);
    // One that never ran holds nothing of the bot's: the next try creates it again, under an id that the runtime does not know. One that ran
    // makes way only where it can never be started again.
    if (facts?.status === 'created' || isStuck(error)) await removeContainer(deps, id, signal);
    throw asFailure(failure.problem, 'again', { cause: error });
  }
}

/** A run that the engine has lost is ended, and the container started then. */
async function askToStart(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<void> {
  const call = { method: 'POST', path: `/containers/${id}/start` } as const;
  const ask = async () => {
    try {
      await deps.engine.call(call, signal);
    } catch (error) {
      // Whatever it has done of it, perhaps it does not know itself.
      if (!(error instanceof EngineRefusal) || error.status >= 500) deps.known.setSure(id, false);
      throw error;
    }
  };
  try {
    await ask();
  } catch (error) {
    if (!wasCutShort(error)) throw error;
    await deps.lostRuns.end(id, true, signal);
    await ask();
  }
}

/** The engine was ended while it started this container: its containerd has something of it already, and refuses a second one. */
const wasCutShort = (error: unknown): boolean =>
  hasStatus(error, 500) &&
  (isStuck(error) || /\btask [0-9a-f]{64}: already exists|\bid already in use\b/.test(error.text));

/** Its containerd was killed twice in starts of this container, and does not remove a folder of its id any more. */
const isStuck = (error: unknown): boolean =>
  hasStatus(error, 500) &&
  /failed to (?:start shim|create shim task|create task): mkdir \S{1,500}: file exists/.test(error.text);

/** A worker that was killed between the steps of `create` has left a container in which something may be missing. */
async function completeContainer(
  deps: ContainerDeps,
  id: string,
  { facts, image }: SeenContainer,
  signal: AbortSignal,
): Promise<void> {
  const found = deps.known.get(id);
  if (facts.status !== 'created' || found === undefined || found.isWhole) return;
  if (facts.remark !== undefined) {
    // Some of its folders may not be its user's yet. It never ran: the next try creates it again.
    await removeContainer(deps, id, signal);
    throw asFailure(problem('CONTAINER_ERROR', 'The container of the bot was not complete.'), 'again');
  }
  await withDevices(deps.disk.sized, signal, () => copyCode(deps, id, image, signal));
  deps.known.set(id, { ...found, isWhole: true });
}

const isGone = (error: unknown): boolean => hasStatus(error, 404) && /no such container/i.test(error.text);

export async function stopContainer(
  deps: ContainerDeps,
  id: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<StopReport> {
  let known = await knownToDocker(deps, id, signal);
  if (known === undefined) {
    if ((await inspectContainer(deps, id, signal))?.status !== 'running') return { behindShell: false };
    known = deps.known.get(id);
  }
  const behindShell = known?.isPlain !== true && (await isBehindShell(deps.engine, id, signal));
  const seconds = Math.ceil(graceMs / 1000);
  try {
    const path = `/containers/${id}/stop`;
    const timeoutMs = seconds * 1000 + 30_000;
    await deps.engine.call({ method: 'POST', path, query: { t: seconds }, slow: true, timeoutMs }, signal);
  } catch (error) {
    if (!hasStatus(error, 404)) throw refusalProblem(deps, error, 'stop', await envValues(deps, id, signal));
  }
  return { behindShell };
}

export async function removeContainer(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<void> {
  const { engine, clock } = deps;
  const endMs = clock.monotonicMs() + removalMs;
  let isOurs = (await knownToDocker(deps, id, signal))?.isSure === true;
  for (;;) {
    const facts = isOurs ? undefined : await inspectContainer(deps, id, signal);
    if (!isOurs && facts === undefined) return;
    if (facts !== undefined) await endLostRun(deps, facts, signal);
    const isPodman = (await engine.kind(signal)) === 'podman';
    try {
      if (isPodman && facts?.status === 'running') await kill(engine, id, signal);
      const path = `/containers/${id}`;
      await engine.call({ method: 'DELETE', path, query: { force: true, v: true }, slow: true }, signal);
      // Docker answers when it is gone.
      if (!isPodman) return forgetRemoved(deps, id);
    } catch (error) {
      // 409: somebody else's removal is under way; it is done when the container is gone. Podman says 500 of one that is just ending.
      const isLate = clock.monotonicMs() > endMs;
      const maySucceed = hasStatus(error, 404, 409) || (isPodman && hasStatus(error, 500) && !isLate);
      if (!maySucceed) throw refusalProblem(deps, error, 'remove', await envValues(deps, id, signal));
      if (isLate) throw new EngineUnavailableError('the engine does not finish removing a container');
      if (!hasStatus(error, 404)) await sleep(clock, 100, signal);
    }
    isOurs = false;
  }
}

/** Once its container is gone, nobody finds a run that the engine does not know of. */
async function endLostRun({ known, lostRuns }: ContainerDeps, { id, status }: ContainerFacts, signal: AbortSignal) {
  if (status === 'running' || known.get(id)?.isSure === true) return;
  await lostRuns.end(id, false, signal);
  known.setSure(id, true);
}

function forgetRemoved({ known, owners, disk }: ContainerDeps, id: string): void {
  disk.removed(id);
  const volume = known.get(id)?.volume;
  known.forget(id);
  if (volume !== undefined) owners.left(volume, AbortSignal.timeout(removalMs));
}

/** Podman stops a container before it removes it, and waits for a deaf one until its grace is over. */
async function kill(engine: EngineClient, id: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call({ method: 'POST', path: `/containers/${id}/kill` }, signal);
  } catch (error) {
    // It has ended, is ending, or is gone.
    if (!hasStatus(error, 404, 409, 500)) throw error;
  }
}
