/**
 * What a bot's container is created with: every field is named here, none is merged in from a request. Pure; the test
 * holds the whole as data. The reason for each limit is beside it.
 */
import { posix } from 'node:path';
import { botHash, imageVolumeName, volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { appDir, botUser, buildLabel, dataDir, simpleCommand } from '../../images/dockerfile.ts';
import { type ContainerPlan, dataDirVariable } from '../container-runtime.ts';
import { type ContainerLabels, labelNames } from '../labels.ts';
import { type Confinement, unconfined } from './isolation/confinement.ts';
import { readOnlyVariables, temporaryMounts } from './isolation/read-only.ts';

const healthIntervalMinNs = 10_000_000_000;
const pidsDefault = 128;
// Far more than images have; each is a volume on the operator's disk.
const volumesMax = 32;
// Images have a few KiB.
const configMaxLength = 64 * 1024;

/**
 * What root in a container may do beyond its own files, without which ordinary images do not run: hand over files, and go
 * on as another user. Nothing that reaches beyond the container.
 */
const rootCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID', 'KILL'];

/** What an image says of itself, as far as it matters here: its USER, its WORKDIR, its VOLUMEs, and its ENV as NAME=value. */
export interface ImageFacts {
  readonly user: string;
  readonly workDir: string;
  readonly volumes: readonly string[];
  readonly env: readonly string[];
  /** Between its health checks, at the start and later; 0 stands for the engine's usual one, also without a check. */
  readonly healthIntervalsNs?: readonly number[];
  /** Characters of all that it says of itself, as JSON. */
  readonly configLength?: number;
}

/**
 * Body of POST /containers/create. `image` is only looked at for a plan that runs what the image says; `asRoot` is for a
 * user of another name that turned out to have the uid 0. ProblemError CONTAINER_ERROR for an image that cannot be run.
 */
export function containerOptions(
  plan: ContainerPlan,
  labels: ContainerLabels,
  network: string,
  image?: ImageFacts,
  asRoot = image !== undefined && isRoot(image.user),
  { runtimeClass, noRoot }: Confinement = unconfined,
) {
  const isDemoted = plan.run.kind === 'image' && asRoot && noRoot;
  return {
    Image: plan.image,
    ...runOptions(plan, image),
    ...(isDemoted && { User: botUser }),
    Env: [...environmentOf(plan, image), ...(isDemoted ? homeOfRoot(plan, image) : [])],
    Hostname: botHash(plan.key),
    // Images hand their labels down: the build's label would make this container look like a step of a build.
    Labels: { [buildLabel]: '', ...labels },
    // Without one it is the image's, or else SIGTERM.
    ...(plan.stopSignal !== undefined && { StopSignal: plan.stopSignal }),
    StopTimeout: 10,
    Tty: false,
    OpenStdin: false,
    HostConfig: {
      ...(runtimeClass !== undefined && { Runtime: runtimeClass }),
      NetworkMode: network,
      // The supervisor restarts: the engine's own policies lose or revive containers when the engine itself restarts.
      RestartPolicy: { Name: 'no' },
      // Exit code and last lines are read after the end.
      AutoRemove: false,
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: plan.run.kind === 'image' && asRoot && !noRoot ? rootCapabilities : [],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: plan.readOnly === true,
      ...(plan.readOnly && { Tmpfs: temporaryMounts(plan, [image?.workDir ?? '', ...(image?.volumes ?? [])]) }),
      // An init as first process passes signals on and reaps; a first process without a handler would ignore SIGTERM.
      Init: true,
      PidsLimit: plan.pids ?? pidsDefault,
      Memory: plan.memoryBytes,
      // Equal to Memory: no swap. Unset would allow as much swap as memory.
      MemorySwap: plan.memoryBytes,
      NanoCpus: plan.cpuMillis * 1_000_000,
      ShmSize: 64 * 1024 * 1024,
      Ulimits: [
        { Name: 'nofile', Soft: 4096, Hard: 4096 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      IpcMode: 'private',
      CgroupnsMode: 'private',
      PublishAllPorts: false,
      Mounts: [
        volumeAt(plan, volumeName(plan.key), dataDir),
        ...(plan.run.kind === 'image' ? imageVolumes(plan, image?.volumes ?? []) : []),
      ],
    },
  };
}

function runOptions({ run }: ContainerPlan, image: ImageFacts | undefined) {
  // Command, entrypoint, folder, health check and stop signal stay the image's own too.
  if (run.kind === 'image') return { User: image?.user ?? '', ...slowHealthCheck(image) };
  return {
    Cmd: simpleCommand(run),
    WorkingDir: appDir,
    User: botUser,
    // A health check of the operator's base image would use the bot's CPU time for a result that nobody reads.
    Healthcheck: { Test: ['NONE'] },
  };
}

/**
 * Where a program that its image would run as root finds its home: an engine gives a user whom the image does not know the root folder.
 * Empty where something sets it.
 */
function homeOfRoot({ env }: ContainerPlan, image: ImageFacts | undefined): readonly string[] {
  const isSet = Object.hasOwn(env.reveal(), 'HOME') || (image?.env ?? []).some((entry) => entry.startsWith('HOME='));
  return isSet ? [] : [`HOME=${rootHome}`];
}

/** Folders that such a program expects to be its own: where it starts, and its home. */
export function foldersOfRoot({ env }: ContainerPlan, image: ImageFacts): readonly string[] {
  const inImage = image.env.find((entry) => entry.startsWith('HOME='))?.slice('HOME='.length);
  const folders = [image.workDir || '/', env.reveal()['HOME'] ?? inImage ?? rootHome];
  return folders.filter((path) => posix.isAbsolute(path));
}

const rootHome = '/root';

/**
 * Each check is work for the engine, outside of the bot's limits, and an image may ask for one every millisecond. What is not named here, the
 * engine takes from the image.
 */
function slowHealthCheck(image: ImageFacts | undefined) {
  const isFast = image?.healthIntervalsNs?.some((ns) => ns > 0 && ns < healthIntervalMinNs) ?? false;
  return isFast ? { Healthcheck: { Interval: healthIntervalMinNs, StartInterval: healthIntervalMinNs } } : {};
}

/**
 * The engine shows the labels and ports of an image with each container of it, also in the lists of all bots' containers. ProblemError
 * CONTAINER_ERROR for an image with so many that those lists would take the worker's time.
 */
export function assertSmallConfig({ configLength = 0 }: ImageFacts): void {
  if (configLength <= configMaxLength) return;
  refuse(
    'CONTAINER_ERROR',
    `The image has ${configLength} characters of settings; at most ${configMaxLength} are allowed.`,
    {
      hint: 'Shorten its LABEL, EXPOSE and ENV instructions: a bot needs no EXPOSE, and files of the image can hold longer texts.',
    },
  );
}

/** Root by its usual name or in any spelling of the number 0 that the engine takes; another name is looked up later. */
export function isRoot(user: string): boolean {
  const [name = ''] = user.split(':');
  return name === '' || name === 'root' || /^[+-]?0+$/.test(name);
}

/** Otherwise Python would hold back its output until a block is full, and the log of a quiet bot would stay empty for hours. */
const unbuffered = 'PYTHONUNBUFFERED';

/** The same for every bot: containers of before, without it, are made the same way all the same. */
export const dataDirEntry = `${dataDirVariable}=${dataDir}`;

function environmentOf(plan: ContainerPlan, image: ImageFacts | undefined): readonly string[] {
  const { run, env, readOnly } = plan;
  const given = [...Object.entries(env.reveal()).map(([name, value]) => `${name}=${value}`), dataDirEntry];
  const isSet = (name: string) => [...given, ...(image?.env ?? [])].some((entry) => entry.startsWith(`${name}=`));
  const defaults = [
    ...(run.kind === 'image' ? ([[unbuffered, '1']] as const) : []),
    ...(readOnly ? readOnlyVariables(plan) : []),
  ];
  return [...given, ...defaults.flatMap(([name, value]) => (isSet(name) ? [] : [`${name}=${value}`]))];
}

const volumeAt = (plan: ContainerPlan, name: string, target: string) => ({
  Type: 'volume',
  Source: name,
  Target: target,
  ReadOnly: false,
  VolumeOptions: { Labels: ownerLabels(plan) },
});

/** Where a container has volumes for those of its image. */
export function imageVolumePaths(volumes: readonly string[]): readonly string[] {
  const targets = new Set(volumes.map((path) => posix.resolve('/', path)));
  targets.delete(dataDir);
  return [...targets];
}

/**
 * A volume of the bot for each VOLUME of its image, which the engine fills from the image while it is empty. The engine's
 * own would have no name and be gone with the container.
 */
function imageVolumes(plan: ContainerPlan, volumes: readonly string[]) {
  const targets = imageVolumePaths(volumes);
  if (targets.includes('/')) {
    refuse('CONTAINER_ERROR', 'The image declares all of its files as a volume.', {
      hint: 'Replace VOLUME / by a folder, or keep files in /data.',
    });
  }
  if (targets.length > volumesMax) {
    refuse('CONTAINER_ERROR', `The image declares ${targets.length} volumes; at most ${volumesMax} are allowed.`, {
      hint: 'Remove VOLUME instructions, and keep files in one folder or in /data.',
    });
  }
  return targets.map((target) => volumeAt(plan, imageVolumeName(plan.key, target), target));
}

/** ContainerLabels of what belongs to a bot besides containers: its volume and its images. They identify, but prove nothing. */
export const ownerLabels = ({ key, workerId }: Pick<ContainerPlan, 'key' | 'workerId'>): ContainerLabels => ({
  [labelNames.marker]: 'true',
  [labelNames.userId]: key.userId,
  [labelNames.botId]: key.botId,
  [labelNames.workerId]: workerId,
});
