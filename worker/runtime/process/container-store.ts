/**
 * Containers of the process runtime as folders. The name of the folder is the container's, so that the file system lets
 * only one of that name be made; it appears whole, by rename. Env and command are sealed, never on disk in clear.
 */
import { randomBytes } from 'node:crypto';
import { cp, mkdir, rename, symlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#common/clock.ts';
import { refuse } from '#common/problem.ts';
import { openText, sealText } from '#common/seal.ts';
import type { Secret } from '#common/secret.ts';
import { isErrno, readJsonIfAny, writeFileAtomic } from '../../state/atomic-file.ts';
import { type ContainerPlan, NameInUseError, type SimpleRun } from '../container-runtime.ts';
import {
  type ContainerIdentity,
  type ContainerLabels,
  claimedIdentity,
  type SigningKey,
  signedLabels,
  verifiedIdentity,
} from '../labels.ts';
import { settingsDigest, sortedEnv } from '../settings-digest.ts';
import { type Builds, buildFolder, type ImageRecord } from './builds.ts';
import { containerDir, containerFiles, containersDir, namesIn, removeFolder } from './layout.ts';

/** One container of this worker. */
export interface StoredContainer {
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly identity: ContainerIdentity;
  readonly image: string;
  /** The build it runs. */
  readonly build: string;
  readonly sealed: string;
  /** As ContainerFacts.settings. */
  readonly settings: string | undefined;
  /** What it is asked to end with; SIGTERM unless given. */
  readonly stopSignal?: NodeJS.Signals;
}

/** What is sealed. */
export interface Program {
  readonly run: SimpleRun;
  readonly env: Readonly<Record<string, string>>;
  readonly image: ImageRecord;
}

/** container.json */
interface Description {
  readonly id: string;
  readonly labels: ContainerLabels;
  readonly image: string;
  readonly build: string;
  readonly sealed: string;
  readonly settings?: string;
  /** What it is asked to end with; SIGTERM unless given. */
  readonly stopSignal?: NodeJS.Signals;
}

export interface ContainerStoreOptions {
  readonly dir: string;
  readonly workerId: string;
  readonly signingKey: SigningKey;
  readonly sealKey: Secret<Uint8Array>;
  readonly clock: Clock;
}

export interface ContainerStore {
  create(plan: ContainerPlan): Promise<string>;
  settingsOf(plan: ContainerPlan): string;
  /** Undefined when there is none of that id, or it is not of this worker. */
  find(id: string): Promise<StoredContainer | undefined>;
  list(): Promise<readonly StoredContainer[]>;
  /** Folders that are well formed and not of this worker. */
  strays(): Promise<readonly Omit<StoredContainer, 'image' | 'build' | 'sealed' | 'settings'>[]>;
  /** Builds that containers run, those of other workers included. */
  usedBuilds(): Promise<ReadonlySet<string>>;
  open(container: StoredContainer): Program;
  remove(container: StoredContainer): Promise<void>;
}

const boundTo = (id: string, name: string): string => `container ${id} ${name}`;

export function createContainerStore(options: ContainerStoreOptions, builds: Builds): ContainerStore {
  const { dir, workerId, signingKey, sealKey, clock } = options;

  const settingsOf = ({ run, env, stopSignal }: ContainerPlan) =>
    settingsDigest(signingKey, [run, sortedEnv(env.reveal()), ...(stopSignal === undefined ? [] : [stopSignal])]);
  const describe = (plan: ContainerPlan, run: SimpleRun, id: string, image: ImageRecord): Description => {
    const { key, revision, epoch, name } = plan;
    const startedAt = new Date(clock.wallMs()).toISOString();
    const program: Program = { run, env: plan.env.reveal(), image };
    return {
      id,
      labels: signedLabels(signingKey, name, { key, workerId, revision, epoch, startedAt }),
      image: plan.image,
      build: image.build,
      ...stopSignalOf(plan),
      sealed: sealText(sealKey, JSON.stringify(program), boundTo(id, name)),
      settings: settingsOf(plan),
    };
  };
  const readDescription = (name: string): Promise<Description | undefined> =>
    readJsonIfAny<Description>(containerFiles(containerDir(dir, name)).description);
  const load = async (name: string): Promise<StoredContainer | undefined> => {
    const description = await readDescription(name);
    const identity = description?.labels && verifiedIdentity(signingKey, name, workerId, description.labels);
    if (!description || !identity) return undefined;
    const { id, image, build, sealed, settings, stopSignal } = description;
    const folder = containerDir(dir, name);
    return { id, name, folder, identity, image, build, sealed, settings, ...stopSignalOf({ stopSignal }) };
  };
  // A name with a leading dot is a folder that is being made or removed.
  const names = async () => (await namesIn(containersDir(dir))).filter((name) => !name.startsWith('.'));
  const list = async () => {
    const found: StoredContainer[] = [];
    for (const name of await names()) {
      const container = await load(name);
      if (container) found.push(container);
    }
    return found;
  };

  const nameOf = new Map<string, string>();

  return {
    settingsOf,
    async create(plan) {
      const { run } = plan;
      if (run.kind === 'image') return refuse('INVALID_MODE', 'A worker with RUNTIME=process has no images to run.');
      const image = await builds.read(plan.image);
      if (!image) return refuse('IMAGE_NOT_FOUND', `The image ${plan.image} is not on the worker.`);
      const id = randomBytes(32).toString('hex');
      const prepared = join(containersDir(dir), `.new-${id}`);
      try {
        await fill(prepared, buildFolder(dir, image.build), describe(plan, run, id, image));
        await rename(prepared, containerDir(dir, plan.name));
        nameOf.set(id, plan.name);
        return id;
      } catch (error) {
        await removeFolder(prepared);
        // A folder takes the place of an empty one only, and a container's is never empty.
        if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw new NameInUseError(plan.name, (await load(plan.name))?.id);
        throw error;
      }
    },
    async find(id) {
      // Only a hint: the file itself decides.
      const hinted = nameOf.get(id);
      const container = hinted === undefined ? undefined : await load(hinted);
      if (container?.id === id) return container;
      nameOf.delete(id);
      const found = (await list()).find((each) => each.id === id);
      if (found) nameOf.set(id, found.name);
      return found;
    },
    list,
    async strays() {
      const found = await Promise.all(
        (await names()).map(async (name) => {
          const description = await readDescription(name);
          const identity = description?.labels && claimedIdentity(name, description.labels);
          if (!description || !identity || (await load(name))) return [];
          return [{ id: description.id, name, folder: containerDir(dir, name), identity }];
        }),
      );
      return found.flat();
    },
    async usedBuilds() {
      const used = new Set<string>();
      for (const name of await names()) {
        const description = await readDescription(name);
        if (description) used.add(description.build);
      }
      return used;
    },
    open({ id, name, sealed }) {
      const program = openText(sealKey, sealed, boundTo(id, name));
      if (program === undefined) return refuse('CONTAINER_ERROR', 'The description of the container was changed.');
      return JSON.parse(program) as Program;
    },
    async remove({ id, folder }) {
      nameOf.delete(id);
      const doomed = join(containersDir(dir), `.gone-${id}`);
      try {
        await rename(folder, doomed);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
      await removeFolder(doomed);
    },
  };
}

/** Names that this system does not know are not used. */
const stopSignalOf = ({ stopSignal }: { readonly stopSignal?: string | undefined }): Pick<Description, 'stopSignal'> =>
  stopSignal !== undefined && Object.hasOwn(constants.signals, stopSignal)
    ? { stopSignal: stopSignal as NodeJS.Signals } // as just checked
    : {};

async function fill(folder: string, build: string, description: Description): Promise<void> {
  const files = containerFiles(folder);
  await mkdir(files.home, { recursive: true, mode: 0o700 });
  // A copy, since a bot may write beside its code, and the next container of this image starts over.
  await cp(join(build, 'app'), files.app, { recursive: true });
  // Node looks for packages in the folders above the bot's.
  await symlink(join(build, 'node_modules'), files.packages);
  await writeFileAtomic(files.description, JSON.stringify(description));
}
