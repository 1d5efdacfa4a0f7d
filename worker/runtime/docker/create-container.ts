/** Makes the container of a bot, with its code and its /data in order, or leaves none. */

import { volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { simpleCommand } from '../../images/dockerfile.ts';
import { checkEnv } from '../check-env.ts';
import { type ContainerPlan, NameInUseError } from '../container-runtime.ts';
import { signedLabels } from '../labels.ts';
import { settingsDigest, settingsLabel } from '../settings-digest.ts';
import { record, text } from './answers.ts';
import { codeImageName } from './code-image-name.ts';
import { containerOptions, dataDirEntry, type ImageFacts, isRoot } from './container-options.ts';
import { refusalProblem } from './container-refusals.ts';
import { type ContainerDeps, inspectContainer, removalMs, removeContainer } from './containers.ts';
import { copyCode } from './copy-code.ts';
import { prepareDataFolder } from './data-folder.ts';
import { EngineRefusal, hasStatus } from './engine-errors.ts';
import type { FolderOwner } from './hand-over.ts';
import { imageFacts } from './images.ts';
import { isPlainProgram } from './known-containers.ts';
import { withNetwork } from './network.ts';
import { makeVolumes } from './volumes.ts';

type ContainerBody = ReturnType<typeof containerOptions>;

/** As ContainerRuntime.create; IMAGE_NOT_FOUND when the plan's image is not there. */
export async function createContainer(deps: ContainerDeps, plan: ContainerPlan, signal: AbortSignal): Promise<string> {
  const { networks, owner, clock } = deps;
  checkEnv(plan);
  const network = await networks.ensureSeen(plan.key.userId, 'bots', signal);
  const startedAt = new Date(clock.wallMs()).toISOString();
  const { key, workerId, revision, epoch } = plan;
  const signed = signedLabels(owner.signingKey, plan.name, { key, workerId, revision, epoch, startedAt });
  try {
    const image = await imageOf(deps, plan, signal);
    const labels = { ...signed, [settingsLabel]: digestOf(deps, plan, image) };
    const body = containerOptions(plan, labels, network, image);
    const volume = volumeName(key);
    // Nobody has had the time in between, or nobody did.
    const isAsLeft =
      plan.run.kind === 'simple' && (plan.replaces === true || (await deps.owners.isAsLeft(volume, signal)));
    const made = await createOfBest(deps, plan, body, signal);
    const user = await prepareOrRemove(deps, made, { user: body.User, plan, isAsLeft }, signal);
    const isPlain = plan.run.kind === 'simple' && isPlainProgram(simpleCommand(plan.run)[0] ?? '');
    if (user?.uid !== 0 || image === undefined || isRoot(image.user)) {
      deps.known.set(made.id, { isWhole: true, isPlain, volume, userId: key.userId });
      return made.id;
    }
    // Root by another name, which is only known from inside.
    await removeContainer(deps, made.id, signal);
    return await create(deps, plan, containerOptions(plan, labels, network, image, true), signal);
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

function digestOf({ networks, owner }: ContainerDeps, plan: ContainerPlan, image: ImageFacts | undefined): string {
  const { Env: env, ...settings } = containerOptions(plan, {}, networks.name(plan.key.userId, 'bots'), image);
  return settingsDigest(owner.signingKey, [settings, env.filter((entry) => entry !== dataDirEntry).toSorted()]);
}

interface MadeContainer {
  readonly id: string;
  /** The name of the image that it was made of. */
  readonly image: string;
}

/** Of the image with the code where that has taken the place of the code on disk, else of the version's own. */
async function createOfBest(
  deps: ContainerDeps,
  plan: ContainerPlan,
  body: ContainerBody,
  signal: AbortSignal,
): Promise<MadeContainer> {
  const { image, run } = plan;
  if (run.kind === 'simple' && (await deps.code.size(image)) === undefined) {
    const withCode = codeImageName(image);
    try {
      return { id: await create(deps, plan, { ...body, Image: withCode }, signal), image: withCode };
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }
  return { id: await create(deps, plan, body, signal), image };
}

async function create(
  { engine, networks }: ContainerDeps,
  { name, key: { userId } }: ContainerPlan,
  body: ContainerBody,
  signal: AbortSignal,
): Promise<string> {
  // Podman makes the volumes of a container without their labels, by which they are found when they are to be removed.
  if ((await engine.kind(signal)) === 'podman') await makeVolumes(engine, body.HostConfig.Mounts, signal);
  const call = { method: 'POST', path: '/containers/create', query: { name }, body } as const;
  const answer = await withNetwork(networks, { userId, use: 'bots' }, signal, () => engine.call(call, signal));
  return text(record(answer)['Id']);
}

/** A container that could not be prepared must not be found and started later. */
async function prepareOrRemove(
  deps: ContainerDeps,
  { id, image }: MadeContainer,
  choice: { readonly user: string; readonly plan: ContainerPlan; readonly isAsLeft: boolean },
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  try {
    const folder = prepareDataFolder(deps, { id, ...choice }, signal);
    // Both end before anything is removed.
    const code = copyCode(deps, id, image, signal);
    await Promise.allSettled([folder, code]);
    await code;
    return await folder;
  } catch (error) {
    await removeContainer(deps, id, AbortSignal.timeout(removalMs));
    throw error;
  }
}

async function idOfName(deps: ContainerDeps, name: string, signal: AbortSignal): Promise<string | undefined> {
  const facts = await inspectContainer(deps, name, signal);
  // The engine also finds a container whose id begins with the name.
  return facts?.name === name ? facts.id : undefined;
}
