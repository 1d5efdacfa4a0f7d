/** Containers of bots: create, start, stop, remove, look. Only those of this worker with a valid signature exist here. */

import { buffer } from 'node:stream/consumers';
import { type Clock, sleep } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { asFailure } from '../../failures/chances.ts';
import { simpleCommand } from '../../images/dockerfile.ts';
import { checkEnv } from '../check-env.ts';
import {
  type ContainerFacts,
  type ContainerPlan,
  EngineUnavailableError,
  NameInUseError,
  type StopReport,
} from '../container-runtime.ts';
import { signedLabels } from '../labels.ts';
import { settingsDigest, settingsLabel } from '../settings-digest.ts';
import type { Owner } from '../strays.ts';
import { record, text } from './answers.ts';
import type { CodeStore } from './code-store.ts';
import { containerFacts } from './container-facts.ts';
import { containerOptions, type ImageFacts, isRoot } from './container-options.ts';
import { envValues, noSuchContainer, refusalProblem } from './container-refusals.ts';
import { prepareDataFolder } from './data-folder.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal, hasStatus } from './engine-errors.ts';
import type { FolderOwner } from './hand-over.ts';
import { imageFacts, imageNames } from './images.ts';
import { isPlainProgram, type KnownContainer, type KnownContainers } from './known-containers.ts';
import type { BotNetwork } from './network.ts';
import { isWithoutCode } from './packages-image.ts';
import { isBehindShell } from './processes.ts';
import { makeVolumes } from './volumes.ts';

export interface ContainerDeps {
  readonly engine: EngineClient;
  readonly network: BotNetwork;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly code: CodeStore;
  readonly known: KnownContainers;
  /** As in DataFolderDeps. */
  readonly owners: Map<string, number>;
}

const removalMs = 30_000;

/** As ContainerRuntime.create; IMAGE_NOT_FOUND when the plan's image is not there. */
export async function createContainer(deps: ContainerDeps, plan: ContainerPlan, signal: AbortSignal): Promise<string> {
  const { network, owner, clock } = deps;
  checkEnv(plan);
  await network.ensureSeen(signal);
  const startedAt = new Date(clock.wallMs()).toISOString();
  const { key, workerId, revision, epoch } = plan;
  const signed = signedLabels(owner.signingKey, plan.name, { key, workerId, revision, epoch, startedAt });
  try {
    const image = await imageOf(deps, plan, signal);
    const labels = { ...signed, [settingsLabel]: digestOf(deps, plan, image) };
    const body = containerOptions(plan, labels, network.name, image);
    const id = await create(deps, plan.name, body, signal);
    const user = await prepareOrRemove(deps, id, body.User, plan, signal);
    const isPlain = plan.run.kind === 'simple' && isPlainProgram(simpleCommand(plan.run)[0] ?? '');
    if (user?.uid !== 0 || image === undefined || isRoot(image.user)) {
      deps.known.set(id, { isWhole: true, isPlain });
      return id;
    }
    // Root by another name, which is only known from inside.
    await removeContainer(deps, id, signal);
    return await create(deps, plan.name, containerOptions(plan, labels, network.name, image, true), signal);
  } catch (error) {
    if (saysNameInUse(error)) throw new NameInUseError(plan.name, await idOfName(deps, plan.name, signal));
    if (hasStatus(error, 404)) refuse('IMAGE_NOT_FOUND', `The image ${plan.image} is not on the worker.`);
    throw refusalProblem(deps, error, 'create', Object.values(plan.env.reveal()));
  }
}

/** Docker answers 409; Podman 4 answers 500 with these words. */
const saysNameInUse = (error: unknown): boolean =>
  hasStatus(error, 409) ||
  (error instanceof EngineRefusal && error.status === 500 && /container name \S+ is already in use/.test(error.text));

/** As ContainerRuntime.settingsOf. */
export async function containerSettings(
  deps: ContainerDeps,
  plan: ContainerPlan,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return digestOf(deps, plan, await imageOf(deps, plan, signal));
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

const imageOf = async ({ engine }: ContainerDeps, { run, image }: ContainerPlan, signal: AbortSignal) =>
  run.kind === 'image' ? imageFacts(engine, image, signal) : undefined;

function digestOf({ network, owner }: ContainerDeps, plan: ContainerPlan, image: ImageFacts | undefined): string {
  const { Env: env, ...settings } = containerOptions(plan, {}, network.name, image);
  return settingsDigest(owner.signingKey, [settings, env.toSorted()]);
}

async function create(
  { engine, network }: ContainerDeps,
  name: string,
  body: ReturnType<typeof containerOptions>,
  signal: AbortSignal,
): Promise<string> {
  // Podman makes the volumes of a container without their labels, by which they are found when they are to be removed.
  if ((await engine.kind(signal)) === 'podman') await makeVolumes(engine, body.HostConfig.Mounts, signal);
  const call = { method: 'POST', path: '/containers/create', query: { name }, body } as const;
  const answer = await withNetwork(network, signal, () => engine.call(call, signal));
  return text(record(answer)['Id']);
}

/** An operator's "docker network prune" takes a network that no running container uses. */
async function withNetwork<T>(network: BotNetwork, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasStatus(error, 404) || !/network/i.test(error.text)) throw error;
    await network.ensure(signal);
    return work();
  }
}

/** A container that could not be prepared must not be found and started later. */
async function prepareOrRemove(
  deps: ContainerDeps,
  id: string,
  user: string,
  plan: ContainerPlan,
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  try {
    const folder = prepareDataFolder(deps, { id, user, plan }, signal);
    // Both end before anything is removed.
    const code = copyCode(deps, id, plan.image, signal);
    await Promise.allSettled([folder, code]);
    await code;
    return await folder;
  } catch (error) {
    await removeContainer(deps, id, AbortSignal.timeout(removalMs));
    throw error;
  }
}

/**
 * Unpacks the bot's code in a container that never ran, where it is not in the image. IMAGE_NOT_FOUND when the worker no longer
 * has it: the image is made again.
 */
async function copyCode(
  { engine, code }: ContainerDeps,
  id: string,
  image: string,
  signal: AbortSignal,
): Promise<void> {
  const upload = await code.read(image);
  if (upload === undefined) {
    if (isWithoutCode((await imageNames(engine, image, signal)) ?? [])) throw codeIsGone();
    return;
  }
  try {
    const path = `/containers/${id}/archive`;
    await buffer(await engine.stream({ method: 'PUT', path, query: { path: '/' }, upload }, signal));
  } finally {
    upload.destroy();
  }
}

const codeIsGone = (): ProblemError =>
  new ProblemError(problem('IMAGE_NOT_FOUND', "The bot's code is not on the worker any more."));

async function idOfName(deps: ContainerDeps, name: string, signal: AbortSignal): Promise<string | undefined> {
  const facts = await inspectContainer(deps, name, signal);
  // The engine also finds a container whose id begins with the name.
  return facts?.name === name ? facts.id : undefined;
}

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
    known.set(facts.id, { isWhole, isPlain: isPlainProgram(text(record(answer)['Path'])) });
    return { facts, image: text(record(record(answer)['Config'])['Image']) };
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
  if (!(await knownToDocker(deps, id, signal))) {
    const seen = await seeContainer(deps, id, signal);
    if (seen === undefined) throw noSuchContainer();
    await completeContainer(deps, id, seen, signal);
  }
  const { engine, network } = deps;
  try {
    await withNetwork(network, signal, () => engine.call({ method: 'POST', path: `/containers/${id}/start` }, signal));
  } catch (error) {
    if (isGone(error)) {
      deps.known.forget(id);
      throw noSuchContainer();
    }
    const failure = refusalProblem(deps, error, 'start', await envValues(deps, id, signal));
    if (!wasCutShort(error) || !(failure instanceof ProblemError)) throw failure;
    const facts = await inspectContainer(deps, id, signal);
    // One that never ran holds nothing of the bot's: the next try creates it again, under an id that the runtime does not know.
    if (facts?.status === 'created') await removeContainer(deps, id, signal);
    throw asFailure(failure.problem, 'again', { cause: error });
  }
}

/** The engine was killed while it started this container: its containerd has the task already, and refuses a second one. */
const wasCutShort = (error: unknown): boolean =>
  error instanceof EngineRefusal && error.status === 500 && /\btask [0-9a-f]{64}: already exists/.test(error.text);

/** A worker that was killed between the steps of `create` has left a container in which something may be missing. */
async function completeContainer(
  deps: ContainerDeps,
  id: string,
  { facts, image }: SeenContainer,
  signal: AbortSignal,
): Promise<void> {
  const found = deps.known.get(id);
  if (facts.status !== 'created' || found === undefined || found.isWhole) return;
  await copyCode(deps, id, image, signal);
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
  let isOurs = (await knownToDocker(deps, id, signal)) !== undefined;
  for (;;) {
    const facts = isOurs ? undefined : await inspectContainer(deps, id, signal);
    if (!isOurs && facts === undefined) return;
    const isPodman = (await engine.kind(signal)) === 'podman';
    try {
      if (isPodman && facts?.status === 'running') await kill(engine, id, signal);
      const path = `/containers/${id}`;
      await engine.call({ method: 'DELETE', path, query: { force: true, v: true }, slow: true }, signal);
      // Docker answers when it is gone.
      if (!isPodman) {
        deps.known.forget(id);
        return;
      }
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

/** Podman stops a container before it removes it, and waits for a deaf one until its grace is over. */
async function kill(engine: EngineClient, id: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call({ method: 'POST', path: `/containers/${id}/kill` }, signal);
  } catch (error) {
    // It has ended, is ending, or is gone.
    if (!hasStatus(error, 404, 409, 500)) throw error;
  }
}
