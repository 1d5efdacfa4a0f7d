/** Makes the container of a bot, with its code and its /data in order, or leaves none. */

import { volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { simpleCommand } from '../../images/dockerfile.ts';
import { checkEnv } from '../check-env.ts';
import { type ContainerPlan, NameInUseError } from '../container-runtime.ts';
import { diskLabels } from '../disk-limits.ts';
import { signedLabels } from '../labels.ts';
import { settingsDigest, settingsLabel } from '../settings-digest.ts';
import { record, text } from './answers.ts';
import { codeImageName } from './code-image-name.ts';
import {
  assertSmallConfig,
  containerOptions,
  dataDirEntry,
  type ImageFacts,
  isRoot,
  ownerLabels,
} from './container-options.ts';
import { refusalProblem } from './container-refusals.ts';
import { type ContainerDeps, inspectContainer, removalMs, removeContainer } from './containers.ts';
import { copyCode } from './copy-code.ts';
import { prepareDataFolder } from './data-folder.ts';
import { limitedLabel } from './disk/sized-names.ts';
import type { HostPart } from './disk/storage-opt.ts';
import { withDevices } from './disk/with-devices.ts';
import { EngineRefusal, hasStatus } from './engine-errors.ts';
import type { FolderOwner } from './hand-over.ts';
import { imageFacts } from './images.ts';
import type { Confinement } from './isolation/confinement.ts';
import { demote } from './isolation/demote.ts';
import { demotedLabels } from './isolation/demotion.ts';
import { isPlainProgram } from './known-containers.ts';
import { withNetwork } from './network.ts';
import { makeVolumes } from './volumes.ts';

type ContainerBody = ReturnType<typeof containerOptions>;

const isSized = ({ disk }: ContainerDeps, plan: ContainerPlan): boolean =>
  plan.disk !== undefined && disk.settings.mode === 'sized';

/** What belongs to no digest: a container made without it need not be made anew. */
function withDiskLimits(deps: ContainerDeps, plan: ContainerPlan, body: ContainerBody): ContainerBody {
  const { HostConfig } = body;
  const Mounts = HostConfig.Mounts.map((mount) => {
    const Labels = { ...mount.VolumeOptions.Labels, [limitedLabel]: 'true' };
    return { ...mount, VolumeOptions: { Labels } };
  });
  if (plan.disk === undefined || !isSized(deps, plan)) return { ...body, HostConfig: { ...HostConfig, Mounts } };
  // No single file grows far beyond both limits before anybody measures it. Twice, so that a full /data is met as ENOSPC first: this
  // limit is met as a signal that ends the bot.
  const most = 2 * Math.max(plan.disk.dataBytes, plan.disk.layerBytes);
  const Ulimits = [...HostConfig.Ulimits, { Name: 'fsize', Soft: most, Hard: most }];
  return { ...body, HostConfig: { ...HostConfig, Mounts, Ulimits } };
}

async function makeSized(
  deps: ContainerDeps,
  plan: ContainerPlan,
  { HostConfig }: ContainerBody,
  signal: AbortSignal,
): Promise<void> {
  if (plan.disk === undefined || !isSized(deps, plan)) return;
  const bytes = plan.disk.dataBytes;
  const wanted = HostConfig.Mounts.map(({ Source }) => ({ name: Source, bytes, labels: ownerLabels(plan) }));
  await deps.disk.sized.ensure(wanted, signal);
}

/** As ContainerRuntime.create; IMAGE_NOT_FOUND when the plan's image is not there. */
export async function createContainer(
  deps: ContainerDeps,
  plan: ContainerPlan,
  signal: AbortSignal,
  say: (line: string) => void = () => {},
): Promise<string> {
  const { networks, owner, clock } = deps;
  checkEnv(plan);
  await deps.isolation.assertPossible(signal);
  const confinement = await deps.isolation.confinement(signal);
  const network = await networks.ensureSeen(plan.key.userId, 'bots', signal);
  const startedAt = new Date(clock.wallMs()).toISOString();
  const { key, workerId, revision, epoch } = plan;
  const signed = signedLabels(owner.signingKey, plan.name, { key, workerId, revision, epoch, startedAt });
  try {
    const image = await imageOf(deps, plan, signal);
    if (image !== undefined) assertSmallConfig(image);
    const labels = { ...signed, ...diskLabels(plan.disk), [settingsLabel]: digestOf(deps, plan, image, confinement) };
    const bodyAs = (asRoot: boolean) => {
      const isDemoted = asRoot && confinement.noRoot;
      const given = isDemoted ? demotedLabels(labels) : labels;
      return withDiskLimits(deps, plan, containerOptions(plan, given, network, image, asRoot, confinement));
    };
    const asRoot = image !== undefined && isRoot(image.user);
    const volume = volumeName(key);
    // Nobody has had the time in between, or nobody did.
    const isAsLeft =
      plan.run.kind === 'simple' &&
      (plan.replaces === true || (!isSized(deps, plan) && (await deps.owners.isAsLeft(volume, signal))));
    const prepare = (made: MadeContainer, body: ContainerBody, isDemoted: boolean) =>
      prepareOrRemove(
        deps,
        made,
        { user: body.User, plan, isAsLeft, image, noRoot: confinement.noRoot, isDemoted, say },
        signal,
      );
    const body = bodyAs(asRoot);
    await deps.disk.roomFor('The bot is not started', signal);
    await makeSized(deps, plan, body, signal);
    const made = await createOfBest(deps, plan, body, signal);
    const user = await prepare(made, body, asRoot && confinement.noRoot);
    const isPlain = plan.run.kind === 'simple' && isPlainProgram(simpleCommand(plan.run)[0] ?? '');
    if (user?.uid !== 0 || image === undefined || asRoot) {
      deps.known.set(made.id, { isWhole: true, isPlain, volume, userId: key.userId, isSure: true });
      return made.id;
    }
    // Root by another name, which is only known from inside.
    await removeContainer(deps, made.id, signal);
    const again = bodyAs(true);
    const id = await create(deps, plan, again, signal);
    if (confinement.noRoot) await prepare({ id, image: plan.image }, again, true);
    deps.known.set(id, { isWhole: true, isPlain, volume, userId: key.userId, isSure: true });
    return id;
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
    const confinement = await deps.isolation.confinement(signal);
    return digestOf(deps, plan, await imageOf(deps, plan, signal), confinement);
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

const imageOf = async ({ engine }: ContainerDeps, { run, image }: ContainerPlan, signal: AbortSignal) =>
  run.kind === 'image' ? imageFacts(engine, image, signal) : undefined;

function digestOf(
  { networks, owner }: ContainerDeps,
  plan: ContainerPlan,
  image: ImageFacts | undefined,
  confinement: Confinement,
): string {
  const network = networks.name(plan.key.userId, 'bots');
  // How often the health is checked makes no new container of one of before, whose files beside its volumes would be gone.
  const asBefore = image && { ...image, healthIntervalsNs: [] };
  const { Env: env, ...settings } = containerOptions(plan, {}, network, asBefore, undefined, confinement);
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
  // Docker refuses to copy anything into a container whose root file system is read-only.
  if (run.kind === 'simple' && plan.readOnly) await deps.codeImages.need(plan.key, image, signal);
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
  deps: ContainerDeps,
  { name, key, disk }: ContainerPlan,
  body: ContainerBody,
  signal: AbortSignal,
): Promise<string> {
  const { engine, networks } = deps;
  const { userId } = key;
  // Podman makes the volumes of a container without their labels, by which they are found when they are to be removed.
  if ((await engine.kind(signal)) === 'podman') await makeVolumes(engine, body.HostConfig.Mounts, signal);
  const query = { name };
  const send = (part: HostPart) => {
    const limited = { ...body, HostConfig: { ...body.HostConfig, ...part } };
    return engine.call({ method: 'POST', path: '/containers/create', query, body: limited }, signal);
  };
  const { storageOpt, settings } = deps.disk;
  const answer = await withNetwork(networks, { userId, use: 'bots' }, signal, () =>
    disk === undefined || settings.mode === 'off' ? send({}) : storageOpt.with(disk.layerBytes, send, signal),
  );
  const id = text(record(answer)['Id']);
  deps.known.set(id, { isWhole: false, isPlain: false, volume: volumeName(key), userId, isSure: true });
  return id;
}

interface Preparation {
  readonly user: string;
  readonly plan: ContainerPlan;
  readonly isAsLeft: boolean;
  readonly image: ImageFacts | undefined;
  readonly noRoot: boolean;
  /** It runs as another user than root, whom its image names. */
  readonly isDemoted: boolean;
  readonly say: (line: string) => void;
}

/** A container that could not be prepared must not be found and started later. */
async function prepareOrRemove(
  deps: ContainerDeps,
  { id, image }: MadeContainer,
  choice: Preparation,
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  // Where no stranger's program is to be root, none is run to change owners.
  const ownImage = choice.noRoot ? (limit: AbortSignal) => deps.isolation.ownImage(limit) : undefined;
  try {
    const folder = withDevices(deps.disk.sized, signal, () =>
      prepareDataFolder({ ...deps, ownImage }, { id, ...choice }, signal),
    );
    // Both end before anything is removed.
    const code = withDevices(deps.disk.sized, signal, () => copyCode(deps, id, image, signal));
    await Promise.allSettled([folder, code]);
    await code;
    const user = await folder;
    const { image: facts, isDemoted, plan, say } = choice;
    if (isDemoted && user !== undefined && facts !== undefined) {
      say(await demote({ ...deps, ownImage }, id, { plan, image: facts }, user, signal));
    }
    return user;
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
