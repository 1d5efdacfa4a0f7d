/** ContainerRuntime on a Docker engine: composes the files beside it. Containers outlive the worker. */
import { inBackground } from '#common/background.ts';
import type { Check } from '#common/checks/check.ts';
import { type Checking, runChecks } from '#common/checks/run-checks.ts';
import type { Clock } from '#common/clock.ts';
import type { FetchAllow, Resolve } from '#common/fetch-policy.ts';
import { volumeName } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import type { BaseImages, BuildSettings } from '../../images/build-settings.ts';
import type { PrivateImages } from '../../state/private-images.ts';
import type { TakenContainers } from '../../state/taken-containers.ts';
import type { ContainerRuntime, EngineInfo } from '../container-runtime.ts';
import type { SigningKey } from '../labels.ts';
import type { SafetyCheckName } from '../safety.ts';
import { noneTaken } from '../strays.ts';
import type { FetchFile } from './added-image.ts';
import { number, record, text } from './answers.ts';
import { buildSimpleImage, reuseSimpleImage } from './build.ts';
import { createBuildLeftovers } from './build-leftovers.ts';
import { type BuilderOptions, createBuilders, ownBuilder } from './builder/make-builders.ts';
import { createCodeImages } from './code-image.ts';
import { createCodeStore } from './code-store.ts';
import { listContainers } from './container-list.ts';
import { type ContainerDeps, inspectContainer, removeContainer, startContainer, stopContainer } from './containers.ts';
import { watchContainerCpu } from './cpu-time.ts';
import { containerSettings, createContainer } from './create-container.ts';
import { buildCustomImage } from './custom-build.ts';
import { createDataOwners } from './data-owners.ts';
import { createEngineDisk, type DiskSettings, defaultDiskSettings } from './disk/disk.ts';
import type { AskSpace } from './disk/engine-space.ts';
import { withImageLimits, withPullLimits } from './disk/image-limits.ts';
import { createNeededImages, pruneUnusedImages } from './disk/prune-images.ts';
import { createRunTools } from './disk/run-tools.ts';
import { createFindToolsImage } from './disk/tools-image.ts';
import { defaultDockerHost } from './docker-host.ts';
import { createFindAddresses } from './egress/addresses.ts';
import { checkEgress } from './egress/egress-check.ts';
import type { EgressSetting } from './egress/egress-setting.ts';
import { createFirewall } from './egress/firewall.ts';
import { createFindNftImage } from './egress/nft-image.ts';
import { botApi, proveEgress } from './egress/prove.ts';
import { createSetRules, type NamedPlaces } from './egress/set-rules.ts';
import { toldAway } from './engine-away.ts';
import { createEngineClient, type EngineClient } from './engine-client.ts';
import { sortedError } from './engine-errors.ts';
import { watchEngineEvents } from './events.ts';
import { hasWholeImage, removeBotImages } from './images.ts';
import { createIsolation, type Isolation } from './isolation/isolation.ts';
import { createKnownContainers } from './known-containers.ts';
import { createLostRuns } from './lost-runs.ts';
import { createBotNetworks } from './network.ts';
import { createOutputReader, watchContainerOutput } from './output.ts';
import { createHaveProbeImage } from './probe-image.ts';
import { pullImage } from './pull.ts';
import { listStrays, removeStray, takeStray } from './strays.ts';
import { defaultSubnets, type SubnetPool } from './subnets.ts';
import { removeBotVolumes } from './volumes.ts';

export interface DockerRuntimeOptions {
  /** unix:///path, or tcp://127.0.0.1:PORT. Default unix:///var/run/docker.sock. */
  readonly dockerHost?: string | undefined;
  /** A folder of its own, absolute: the code of the bots, which is copied into their containers. Made when needed. */
  readonly codeDir: string;
  /** Seals what is kept there. */
  readonly sealKey: Secret<Uint8Array>;
  /** What the networks of bots and builds are called at the beginning; they are made when needed. */
  readonly network: string;
  /** Where bots and builds may connect to; `internet` where that can be made when undefined. */
  readonly egress?: EgressSetting | undefined;
  /** A file of its own that the firewall keeps. */
  readonly firewallMark: string;
  /** Where programs of this machine are found; default the process's own environment. */
  readonly programs?: NodeJS.ProcessEnv | undefined;
  /** The runtime of the engine that bots are made with; the engine's default when undefined. */
  readonly runtimeClass?: string | undefined;
  /** People whom the operator does not know may start bots: none of their programs is root, unless in a user namespace or a sandbox. */
  readonly strangers?: boolean | undefined;
  /** Servers that the operator's settings name. */
  readonly places?: NamedPlaces | undefined;
  /** Limits on disk space; the default only measures. */
  readonly disk?: DiskSettings | undefined;
  /** Instead of the space on the engine's disk, for tests. */
  readonly space?: AskSpace | undefined;
  /** Where the addresses of these networks come from; default 10.217.0.0/16:24. */
  readonly subnets?: SubnetPool | undefined;
  readonly baseImages: BaseImages;
  readonly buildSettings: BuildSettings;
  /** By the engine of the bots unless given. */
  readonly builder?: BuilderOptions | undefined;
  /** HOST[:PORT][/PREFIX] that images of Docker Hub are pulled from; Docker Hub itself when undefined. */
  readonly registryMirror?: string | undefined;
  readonly workerId: string;
  /** Signs the labels; the same after every restart of the worker, or it does not know its containers any more. */
  readonly signingKey: SigningKey;
  /** Registries that Dockerfiles may name although they are on private addresses. */
  readonly fetchAllow: FetchAllow;
  /** For what Dockerfiles add from URLs. */
  readonly fetchFile: FetchFile;
  /** For the names of servers in Dockerfiles. */
  readonly resolve: Resolve;
  /** Which images are not everybody's. */
  readonly privateImages: PrivateImages;
  /** What an operator gave to this worker. */
  readonly taken?: TakenContainers;
  readonly clock: Clock;
  readonly logger: Logger;
}

const infoMs = 5000;
const leftoversMs = 60_000;
const sweepEveryMs = 600_000;
/** Of each; within what all of them have. */
const safetyCheckMs = 50_000;

/** The safety check `runtime`. */
async function checkEngine(engine: EngineClient, signal: AbortSignal): Promise<Omit<Check, 'name'>> {
  const kind = await engine.kind(signal);
  if (kind === 'docker') return { ok: true, message: 'Bots run in containers of Docker.' };
  return {
    ok: false,
    message: `The engine is ${kind}: it does not keep the containers of a network apart, and there is no firewall for it.`,
    hint: 'Set DOCKER_HOST to a Docker engine.',
  };
}

async function engineInfo(
  engine: EngineClient,
  isolation: Isolation,
  dockerHost: string,
  signal: AbortSignal,
): Promise<EngineInfo> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(infoMs)]);
  try {
    const facts = record(await engine.call({ method: 'GET', path: '/info' }, limit));
    return {
      version: `${await engine.kind(limit)} ${text(facts['ServerVersion'])}${isolation.sawInfo(facts)}`,
      memoryBytes: number(facts['MemTotal']),
      cpuMillis: number(facts['NCPU']) * 1000,
    };
  } catch (error) {
    throw await toldAway(dockerHost, sortedError(error, 'GET /info', signal));
  }
}

/** Connects at the first call. Throws an Error for a `dockerHost` that cannot be used. */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const {
    workerId,
    signingKey,
    baseImages,
    buildSettings,
    registryMirror: mirror,
    privateImages,
    clock,
    logger,
  } = options;
  const { taken = noneTaken(workerId) } = options;
  const dockerHost = options.dockerHost ?? defaultDockerHost;
  const engine = createEngineClient(dockerHost);
  const { subnets = defaultSubnets } = options;
  const { places = { forBots: [], forBuilds: [], refused: [] } } = options;
  const findAddresses = createFindAddresses(clock, logger);
  const partsFor = (of: EngineClient, markFile: string) => {
    const networks = createBotNetworks(of, { base: options.network, workerId, subnets }, logger, clock);
    const setRules = createSetRules({
      engine: of,
      workerId,
      workerIds: () => taken.workerIds,
      network: options.network,
      named: places,
      findAddresses,
      clock,
      findImage: createFindNftImage(options.programs),
      markFile,
    });
    const { ownerOf } = networks;
    return { networks, firewall: createFirewall({ setting: options.egress, setRules, ownerOf, clock, logger }) };
  };
  const { networks, firewall } = partsFor(engine, options.firewallMark);
  const code = createCodeStore(options.codeDir, options.sealKey);
  const owner = { workerId, signingKey, taken };
  const leftovers = createBuildLeftovers(engine, owner, logger);
  const codeImages = createCodeImages({ engine, code, logger, leftovers, workerId });
  const isolation = createIsolation({
    engine,
    workerId,
    runtimeClass: options.runtimeClass,
    strangers: options.strangers ?? false,
    images: [baseImages.python, baseImages.node],
    clock,
    logger,
  });
  const needed = createNeededImages(clock);
  const tools = { findTools: createFindToolsImage(options.programs), run: createRunTools(engine, workerId) };
  const disk = createEngineDisk({
    engine,
    dockerHost,
    workerId,
    settings: options.disk ?? defaultDiskSettings,
    clock,
    logger,
    ...tools,
    prune: (signal) => pruneUnusedImages({ engine, code, needed, workerIds: () => taken.workerIds }, signal),
    space: options.space,
  });
  const deps: ContainerDeps = {
    engine,
    isolation,
    spoolDir: options.codeDir,
    networks,
    firewall,
    owner,
    clock,
    logger,
    code,
    codeImages,
    known: createKnownContainers(),
    lostRuns: createLostRuns({ engine, logger, ...tools }),
    owners: createDataOwners(engine, clock),
    disk,
  };
  const builders = createBuilders(options.builder ?? ownBuilder, {
    partsFor: (of) => partsFor(of, `${options.firewallMark}-builder`),
    ...{ engine, dockerHost, networks, firewall, leftovers, owner, workerId, signingKey, baseImages },
    ...{ settings: buildSettings, mirror, privateImages, clock, logger },
  });
  const builds = {
    engine,
    builders,
    settings: buildSettings,
    clock,
    logger,
    mirror,
    privateImages,
    maxBytes: disk.settings.imageBytes,
    allow: options.fetchAllow,
    resolve: options.resolve,
    fetchFile: options.fetchFile,
  };
  const haveProbeImage = createHaveProbeImage({ engine, clock, logger, mirror, privateImages }, baseImages);
  const proof = {
    engine,
    networks,
    workerId,
    baseImages,
    findAddresses,
    reached: places.forBots[0] ?? botApi,
    orchestrators: places.refused,
    keepsNetworks: true,
  };
  const prove = async (signal: AbortSignal) => {
    await haveProbeImage(signal);
    return proveEgress(proof, signal);
  };
  const safetyChecks: readonly Checking<SafetyCheckName>[] = [
    { name: 'runtime', check: (signal) => checkEngine(engine, signal) },
    { name: 'egress', check: (signal) => checkEgress({ firewall, prove }, signal) },
    { name: 'disk', check: async () => disk.check() },
    { name: 'isolation', check: (signal) => haveProbeImage(signal).then(() => isolation.check(signal)) },
    { name: 'builder', check: (signal) => builders.check(signal) },
  ];
  const images = { engine, disk, needed };
  const simpleBuilds = { ...builds, baseImages, code, signingKey };
  let sweptAtMs = clock.monotonicMs();
  const sweep = () => {
    if (clock.monotonicMs() - sweptAtMs < sweepEveryMs) return;
    sweptAtMs = clock.monotonicMs();
    inBackground(networks.sweep(AbortSignal.timeout(leftoversMs)), (error) =>
      logger.debug({ err: error }, 'networks that nobody uses could not be removed yet'),
    );
    inBackground(builders.separate.sweep(AbortSignal.timeout(leftoversMs)), (error) =>
      logger.debug({ err: error }, 'builders that nobody uses could not be removed yet'),
    );
  };
  return {
    kind: 'docker',
    async info(signal) {
      const info = await engineInfo(engine, isolation, dockerHost, signal).catch((error: unknown) => {
        firewall.engineAway();
        isolation.engineAway();
        disk.engineAway();
        throw error;
      });
      firewall.engineAnswers();
      // Not waited for: a build waits for it, and tries again if it fails now.
      const notYet = (error: unknown) =>
        logger.debug({ err: error }, 'leftovers of earlier builds could not be removed yet');
      inBackground(leftovers.gone(AbortSignal.timeout(leftoversMs)), notYet);
      inBackground(leftovers.settle(), notYet);
      inBackground(networks.settle(AbortSignal.timeout(leftoversMs)), notYet);
      sweep();
      // Not waited for: a start waits for it.
      if (disk.settings.mode === 'sized') {
        inBackground(disk.sized.tried(AbortSignal.timeout(leftoversMs)), (error) =>
          logger.debug({ err: error }, 'the file systems of bots could not be attached yet'),
        );
      }
      return info;
    },
    buildImage: (build, signal) =>
      withImageLimits(images, build, signal, (limit) => buildSimpleImage(simpleBuilds, build, limit)),
    reuseImage: (build, signal) => needed.during(build.image, () => reuseSimpleImage(simpleBuilds, build, signal)),
    buildCustomImage: (build, signal) =>
      withImageLimits(images, build, signal, (limit) => buildCustomImage(builds, build, limit)),
    pullImage: (pull, signal) =>
      withPullLimits(images, pull, signal, (limit) =>
        pullImage({ engine, clock, logger, mirror, privateImages, maxBytes: disk.settings.imageBytes }, pull, limit),
      ),
    hasImage: (image, signal) => needed.during(image, () => hasWholeImage(engine, code, image, signal)),
    settleImage: (key, image, signal) => codeImages.settle(key, image, signal),
    removeImages: async (key, keep, signal) => {
      for (const id of taken.workerIds) await removeBotImages({ engine, code }, { key, workerId: id }, keep, signal);
      // Nothing is kept of a bot that is gone.
      if (keep.length === 0) await networks.left(key.userId, signal);
    },
    removeVolumes: async (key, signal) => {
      const own = volumeName(key);
      deps.owners.forget(own);
      for (const id of taken.workerIds) {
        await disk.sized.remove(await removeBotVolumes(engine, { key, workerId: id }, signal), own, signal);
      }
    },
    create: (plan, signal, say) => needed.during(plan.image, () => createContainer(deps, plan, signal, say)),
    settingsOf: (plan, signal) => containerSettings(deps, plan, signal),
    start: (id, signal) => startContainer(deps, id, signal),
    stop: (id, graceMs, signal) => stopContainer(deps, id, graceMs, signal),
    remove: (id, signal) => removeContainer(deps, id, signal),
    inspect: (id, signal) => inspectContainer(deps, id, signal),
    list: (signal) => listContainers(deps, signal),
    strays: (signal) => listStrays(deps, signal),
    takeStray: (id, signal) => takeStray(deps, id, signal),
    removeStray: (id, signal) => removeStray(deps, id, signal),
    readOutput: createOutputReader(deps),
    watchOutput: (id, ring, signal) => watchContainerOutput(deps, id, ring, signal),
    watchCpu: (id, onSample, signal) => watchContainerCpu(deps, id, onSample, signal),
    watchEvents: (onEvent, signal) => watchEngineEvents({ engine, owner, clock }, onEvent, signal),
    safety: (signal) => runChecks(safetyChecks, clock, safetyCheckMs, signal),
    // The containers of bots keep running.
    shutdown: (graceMs) => builders.separate.close(AbortSignal.timeout(Math.max(1, Math.floor(graceMs)))),
    measureDisk: disk.measure,
    freeDisk: async (signal) => (await disk.space(signal))?.bytes,
  };
}
