/**
 * ContainerRuntime without a container engine, for development: each bot is a child process with its own folder. It does
 * not isolate: a bot can read and do whatever the worker's user can. Bots outlive a worker that is killed, and end with
 * one that stops.
 */

import { mkdir } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#common/clock.ts';
import { botKeyText } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { KeyedSerialQueue } from '#common/waiting/serial-queue.ts';
import type { BuildSettings } from '../../images/build-settings.ts';
import { removeTemporaryFiles } from '../../state/atomic-file.ts';
import { checkEnv } from '../check-env.ts';
import type { ContainerFacts, ContainerRuntime } from '../container-runtime.ts';
import type { SigningKey } from '../labels.ts';
import { createBuilds } from './builds.ts';
import { createChanges, watchPrinting, watchRuns } from './change-watch.ts';
import { type ContainerStore, createContainerStore, type StoredContainer } from './container-store.ts';
import { watchProcessCpu } from './cpu-time.ts';
import { rememberPython } from './interpreters.ts';
import { containerFiles, containersDir, dataFolder, imagesDir, namesIn, removeFolder } from './layout.ts';
import { readLogs, trimLogs } from './log-files.ts';
import { runFacts, runningPid, startRun, stopRun } from './runs.ts';
import { listStrays, removeStray, takeNoStray } from './strays.ts';

export interface ProcessRuntimeOptions {
  /** Its own folder, absolute: builds and bots run in folders below it. One runtime at a time uses it. */
  readonly dir: string;
  readonly workerId: string;
  readonly signingKey: SigningKey;
  /** 32 bytes; env and command of a container are kept sealed with it. */
  readonly sealKey: Secret<Uint8Array>;
  readonly buildSettings: BuildSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Well below what EngineWatch waits for an answer: a Python that hangs must not make the worker unready for every bot. */
const pythonMs = 2000;

export function createProcessRuntime(options: ProcessRuntimeOptions): ContainerRuntime {
  const { dir, clock, logger } = options;
  logger.warn(
    'RUNTIME=process: bots run as plain processes of this user. Nothing isolates them from this machine or from each other, ' +
      'and memory and CPU limits are not enforced. Use it for development only; RUNTIME=docker isolates.',
  );
  const builds = createBuilds(dir, options.buildSettings);
  const store = createContainerStore(options, builds);
  /** Start, stop and remove of one container cannot be combined. */
  const lifeLocks = new KeyedSerialQueue();
  /** Reading, emptying and removing its output do, too; apart from the others, since a stop can take long. */
  const logLocks = new KeyedSerialQueue();
  const changes = createChanges();
  const python = rememberPython();
  let prepared: Promise<void> | undefined;
  const prepare = () => {
    prepared ??= removeHalfDone(dir)
      .then(async () => builds.sweep(await store.usedBuilds()))
      .catch((error: unknown) => {
        prepared = undefined;
        throw error;
      });
    return prepared;
  };
  const withContainer = async <T>(
    id: string,
    work: (container: StoredContainer) => Promise<T>,
  ): Promise<T | undefined> => {
    const container = await store.find(id);
    return container && lifeLocks.run(id, () => work(container));
  };
  const stop = (id: string, graceMs: number, signal: AbortSignal) =>
    withContainer(id, ({ folder, stopSignal }) => stopRun(folder, { graceMs, stopSignal }, clock, signal)).then(() => {
      changes.note(id);
      // The signal goes to all processes of the bot.
      return { behindShell: false };
    });

  return {
    kind: 'process',
    async info(signal) {
      await prepare();
      // It throws only when it is given up: then it is not known whether there is a Python, and the next question asks again.
      const found = await python(AbortSignal.any([signal, AbortSignal.timeout(pythonMs)])).then(
        (known) => (known ? `Python ${known.version}` : 'no Python'),
        () => 'Python not found yet',
      );
      signal.throwIfAborted();
      return {
        version: `processes, Node ${process.version.slice(1)}, ${found}`,
        memoryBytes: totalmem(),
        cpuMillis: cpus().length * 1000,
      };
    },
    // What a process writes is the machine's, and nobody counts it.
    measureDisk: async () => [],
    freeDisk: async () => undefined,
    safety: async () => [
      {
        name: 'runtime',
        ok: false,
        message: 'The process runtime isolates nothing.',
        hint: 'Set RUNTIME=docker.',
      },
    ],
    // Every build here has packages of its own.
    reuseImage: async () => false,
    async buildImage(build, signal) {
      await builds.build(build, signal);
      // What the name meant before.
      await builds.sweep(await store.usedBuilds());
    },
    buildCustomImage: async () => noImages('custom'),
    pullImage: async () => noImages('image'),
    async hasImage(image) {
      return (await builds.read(image)) !== undefined;
    },
    // What a start copies here is on the same disk.
    settleImage: async () => {},
    async removeImages(key, keep) {
      const used = await store.usedBuilds();
      await builds.removeNames(key, keep, used);
      await builds.sweep(used);
    },
    async removeVolumes(key) {
      const isUsed = (await store.list()).some(({ identity }) => botKeyText(identity.key) === botKeyText(key));
      if (isUsed) refuse('CONTAINER_ERROR', 'The data of the bot is still in use.');
      await removeFolder(dataFolder(dir, key));
    },
    async create(plan, signal, say) {
      signal.throwIfAborted();
      checkEnv(plan);
      await prepare();
      if (plan.asksForLimits) say?.(noLimits);
      return store.create(plan);
    },
    settingsOf: async (plan) => store.settingsOf(plan),
    async start(id, signal) {
      signal.throwIfAborted();
      const found = await withContainer(id, async (container) => {
        if ((await runFacts(container.folder)).status !== 'running') {
          const data = dataFolder(dir, container.identity.key);
          await mkdir(data, { recursive: true, mode: 0o700 });
          await startRun({ folder: container.folder, data, program: store.open(container) }, clock, () =>
            changes.note(id),
          );
        }
        return true;
      });
      if (!found) noSuchContainer();
      changes.note(id);
    },
    stop,
    async remove(id, signal) {
      await withContainer(id, async (container) => {
        await stopRun(container.folder, { graceMs: 0 }, clock, signal);
        await logLocks.run(id, () => store.remove(container));
      });
      changes.note(id);
    },
    async inspect(id) {
      const container = await store.find(id);
      return container && factsOf(store, container);
    },
    list: () => listFacts(store),
    strays: () => listStrays(dir, store),
    takeStray: async () => takeNoStray(),
    removeStray: (id, signal) => removeStray(dir, store, id, clock, signal),
    async readOutput(id, cursor, maxBytes) {
      return logLocks.run(id, async () => {
        const container = await store.find(id);
        if (!container) return noSuchContainer();
        const { status } = await runFacts(container.folder);
        const files = containerFiles(container.folder);
        const batch = await readLogs(files, id, cursor, maxBytes, status === 'exited');
        await trimLogs(files);
        return batch;
      });
    },
    async watchOutput(id, ring, signal) {
      const container = await store.find(id);
      if (!container) return;
      await watchPrinting(container, ring, clock, signal);
      // Its end, as seen in its files.
      if (!signal.aborted) changes.note(id);
    },
    watchCpu: (id, onSample, signal) =>
      watchProcessCpu(
        async () => {
          const container = await store.find(id);
          return container && runningPid(container.folder);
        },
        clock,
        onSample,
        signal,
      ),
    watchEvents: (onEvent, signal) =>
      watchRuns(
        store,
        changes,
        clock,
        {
          onStart: (containerId) => onEvent({ containerId, kind: 'started' }),
          onEnd: (containerId) => onEvent({ containerId, kind: 'ended' }),
          tidy: ({ id, folder }) => logLocks.run(id, () => trimLogs(containerFiles(folder))),
        },
        signal,
      ),
    async shutdown(graceMs) {
      const running = (await listFacts(store)).filter(({ status }) => status === 'running');
      const signal = AbortSignal.timeout(Math.ceil(graceMs) + 30_000);
      await Promise.all(running.map(({ id }) => stop(id, graceMs, signal)));
    },
  };
}

const noLimits =
  'this worker runs bots as plain processes: limits on memory, CPU, disk space and processes have no effect here';

const noImages = (mode: string): never =>
  refuse('INVALID_MODE', `A worker with RUNTIME=process cannot run bots of mode ${mode}: it has no images.`, {
    hint: 'Use simple mode, or have the operator start a worker with RUNTIME=docker.',
  });

const noSuchContainer = (): never =>
  refuse('CONTAINER_ERROR', 'The container does not exist any more.', { hint: 'Start the bot again.' });

/** What a worker that was killed left half made or half removed. One runtime at a time uses the folder, so it is nobody's. */
async function removeHalfDone(dir: string): Promise<void> {
  await mkdir(containersDir(dir), { recursive: true, mode: 0o700 });
  await mkdir(imagesDir(dir), { recursive: true, mode: 0o700 });
  await removeTemporaryFiles(imagesDir(dir));
  for (const name of await namesIn(containersDir(dir))) {
    const path = join(containersDir(dir), name);
    if (name.startsWith('.')) await removeFolder(path);
    else await removeTemporaryFiles(path);
  }
}

/** Undefined when it was removed meanwhile. */
async function factsOf(store: ContainerStore, container: StoredContainer): Promise<ContainerFacts | undefined> {
  const { id, name, identity, folder, settings } = container;
  const { key, revision, epoch } = identity;
  const facts = { id, name, key, revision, epoch, settings, ...(await runFacts(folder)), oomKilled: false };
  // Without its files a container looks as if it had never run.
  return (await store.find(id)) && facts;
}

async function listFacts(store: ContainerStore): Promise<readonly ContainerFacts[]> {
  const found = await Promise.all((await store.list()).map((container) => factsOf(store, container)));
  return found.filter((facts) => facts !== undefined);
}
