/** The container of one user's builder: its limits, its labels, and how its engine is reached. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { type Clock, sleep } from '#common/clock.ts';
import { shortHash } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { orAbort } from '#common/waiting/abort.ts';
import type { SigningKey } from '../../labels.ts';
import { list, record, text, texts } from '../answers.ts';
import type { EngineSocket } from '../docker-host.ts';
import { firstFile, nameServers } from '../egress/resolvers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { outputOfFrames, runShortly } from '../short-run.ts';
import { createDialedClient, type DialedClient } from './dialed-client.ts';
import { openExec } from './exec-stream.ts';
import { daemonJson, dialCommand, type StartSettings, startScript } from './start-script.ts';

/** What one builder may use. */
export interface BuilderLimits {
  /** Of all steps of a user's builds together. */
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Of images, layers and cache together. */
  readonly diskBytes: number;
}

export interface BuilderContainerDeps {
  /** The bots' engine, on which the container is. */
  readonly engine: EngineClient;
  readonly address: EngineSocket;
  readonly image: string;
  readonly limits: BuilderLimits;
  /** For pulls; without a login. */
  readonly proxy: { readonly url: string; readonly except: string | undefined } | undefined;
  readonly workerId: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RunningBuilder {
  readonly containerId: string;
  readonly client: EngineClient;
  /** Removes the container; its volume stays. */
  remove(signal: AbortSignal): Promise<void>;
  isRunning(signal: AbortSignal): Promise<boolean>;
  /** Runs a shell command in the container, and returns what it prints. */
  run(command: string, signal: AbortSignal): Promise<string>;
}

export const builderLabels = {
  workerId: 'bot_runner.builder',
  userId: 'bot_runner.builder_user',
  signature: 'bot_runner.builder_sig',
} as const;

const mib = 1024 * 1024;
/** For the builder's engine itself, beside the steps. */
const engineMemoryBytes = 512 * mib;
const stepsPids = 1024;
const enginePids = 1024;
const startMs = 120_000;
const pollMs = 250;
const removalMs = 60_000;
const probeMs = 45_000;
const storeFolder = '/store';
const mostCacheShare = 0.5;

/** Names of the container and of its volume. */
const builderName = (workerId: string, userId: string): string =>
  `bot_runner_builder_${shortHash(`${workerId}\0${userId}`, 16)}`;

const signatureOf = (key: SigningKey, workerId: string, userId: string): string =>
  createHmac('sha256', key.reveal()).update(`builder\0${workerId}\0${userId}`).digest('hex');

const labelsOf = ({ workerId, signingKey }: BuilderContainerDeps, userId: string) => ({
  [builderLabels.workerId]: workerId,
  [builderLabels.userId]: userId,
  [builderLabels.signature]: signatureOf(signingKey, workerId, userId),
});

/** Whether a worker with that key made what has these labels. */
export function isOwnBuilder(
  labels: Readonly<Record<string, string>>,
  { workerId, signingKey }: Pick<BuilderContainerDeps, 'workerId' | 'signingKey'>,
): boolean {
  if (labels[builderLabels.workerId] !== workerId) return false;
  const expected = Buffer.from(signatureOf(signingKey, workerId, labels[builderLabels.userId] ?? ''));
  const found = Buffer.from(labels[builderLabels.signature] ?? '');
  return found.length === expected.length && timingSafeEqual(found, expected);
}

/** The engine in a builder ended, or did not answer in time. */
export class BuilderStartError extends EngineRefusal {}

/** Removes what builds of the user's have left: images and cache. The container has to be gone. */
export async function removeStore(
  { engine, workerId }: BuilderContainerDeps,
  userId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await engine.call({ method: 'DELETE', path: `/volumes/${builderName(workerId, userId)}` }, signal);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** Rejects with EngineRefusal when the engine takes or starts no such container, BuilderStartError when it does not come up. */
export async function startBuilder(
  deps: BuilderContainerDeps,
  { userId, network }: { readonly userId: string; readonly network: string },
  signal: AbortSignal,
): Promise<RunningBuilder> {
  const { engine } = deps;
  const name = builderName(deps.workerId, userId);
  await removeContainer(engine, name, signal);
  const body = await containerBody(deps, { userId, network, name }, signal);
  const made = await engine.call({ method: 'POST', path: '/containers/create', query: { name }, body }, signal);
  const containerId = text(record(made)['Id']);
  const dialed = createDialedClient((limit) =>
    openExec({ engine, address: deps.address, containerId, command: dialCommand }, limit),
  );
  const remove = async (limit: AbortSignal) => {
    dialed.close();
    await removeContainer(engine, containerId, limit);
  };
  try {
    await engine.call({ method: 'POST', path: `/containers/${containerId}/start`, slow: true }, signal);
    await untilAnswers(deps, containerId, dialed, signal);
  } catch (error) {
    await remove(AbortSignal.timeout(removalMs));
    throw error;
  }
  return {
    containerId,
    client: dialed.client,
    remove,
    isRunning: (limit) => isRunning(engine, containerId, limit),
    async run(command, limit) {
      const inside = { engine, address: deps.address, containerId, command: ['/bin/sh', '-c', command] };
      const stream = await openExec(inside, limit);
      try {
        stream.end();
        return (await orAbort(limit, buffer(stream))).toString().trim();
      } finally {
        stream.destroy();
      }
    },
  };
}

async function containerBody(
  deps: BuilderContainerDeps,
  { userId, network, name }: { readonly userId: string; readonly network: string; readonly name: string },
  signal: AbortSignal,
) {
  const { engine, image, limits, proxy } = deps;
  const info = record(await engine.call({ method: 'GET', path: '/info' }, signal));
  const registries = record(info['RegistryConfig']);
  const cores = Number(info['NCPU']);
  const labels = labelsOf(deps, userId);
  const settings: StartSettings = {
    DAEMON_JSON: daemonJson({
      dns: await resolversOf(deps, labels, signal),
      insecureRegistries: insecureOf(registries),
      registryMirrors: list(registries['Mirrors']).map(text),
      cacheBytes: limits.diskBytes * mostCacheShare,
    }),
    STEPS_MEMORY: String(limits.memoryBytes),
    STEPS_PIDS: String(stepsPids),
    STORE_BYTES: String(limits.diskBytes),
  };
  const proxies = proxy === undefined ? {} : { HTTPS_PROXY: proxy.url, NO_PROXY: proxy.except ?? '' };
  const memory = limits.memoryBytes + engineMemoryBytes;
  return {
    Image: image,
    Entrypoint: ['/bin/sh', '-c', startScript],
    Cmd: [],
    User: '0:0',
    WorkingDir: '/',
    Hostname: 'builder',
    Env: Object.entries({ ...settings, ...proxies }).map(([key, value]) => `${key}=${value}`),
    Labels: labels,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: network,
      // Not privileged: it sees no device of the host but loop devices, and cannot reach the host's control groups.
      // On an engine with user namespaces: within one neither loop devices nor ext4 can be had.
      UsernsMode: 'host',
      CapAdd: ['SYS_ADMIN', 'NET_ADMIN'],
      DeviceCgroupRules: ['b 7:* rwm', 'c 10:237 rwm'],
      SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable'],
      MaskedPaths: [],
      ReadonlyPaths: [],
      CgroupnsMode: 'private',
      IpcMode: 'private',
      Init: true,
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: Math.min(limits.cpuMillis, cores * 1000) * 1_000_000,
      PidsLimit: stepsPids + enginePids,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
      Mounts: [{ Type: 'volume', Source: name, Target: storeFolder, VolumeOptions: { Labels: labels } }],
    },
  };
}

const insecureOf = (registries: ReturnType<typeof record>): readonly string[] => [
  ...list(registries['InsecureRegistryCIDRs']).map(text),
  ...Object.entries(record(registries['IndexConfigs'])).flatMap(([host, config]) =>
    record(config)['Secure'] === false ? [host] : [],
  ),
];

/** The name servers that the engine hands to containers, which is whom the firewall lets builds ask. */
async function resolversOf(
  { engine, image }: BuilderContainerDeps,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
) {
  const body = {
    Image: image,
    Entrypoint: ['/bin/true'],
    Cmd: [],
    User: '0:0',
    // Removed as a builder, if this worker is killed meanwhile.
    Labels: labels,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: { NetworkMode: 'none', CapDrop: ['ALL'], ReadonlyRootfs: true, PidsLimit: 16 },
  };
  const { file } = await runShortly(engine, { body, timeoutMs: probeMs, file: '/etc/resolv.conf' }, signal);
  return file === undefined ? [] : nameServers(await firstFile(file)).map(({ range }) => range);
}

async function untilAnswers(
  { engine, clock, logger }: BuilderContainerDeps,
  containerId: string,
  { client }: DialedClient,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(startMs)]);
  for (;;) {
    try {
      await client.call({ method: 'GET', path: '/version' }, limit);
      return;
    } catch {
      signal.throwIfAborted();
      if (limit.aborted) throw new BuilderStartError(504, 'the engine of the builder does not answer');
      if (!(await isRunning(engine, containerId, limit))) {
        const query = { stdout: true, stderr: true, tail: 20 };
        const words = await lastWords(engine, containerId, query, limit);
        logger.warn({ builder: words }, 'the engine of a builder has ended instead of starting');
        throw new BuilderStartError(500, `the engine of the builder ended: ${words.at(-1) ?? 'without a word'}`);
      }
      await sleep(clock, pollMs, limit);
    }
  }
}

async function lastWords(
  engine: EngineClient,
  containerId: string,
  query: Readonly<Record<string, boolean | number>>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const answer = await engine.stream({ method: 'GET', path: `/containers/${containerId}/logs`, query }, signal);
  return outputOfFrames(await buffer(answer))
    .split('\n')
    .filter((line) => line.trim() !== '');
}

async function isRunning(engine: EngineClient, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { State } = record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal));
    return record(State)['Running'] === true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

/** By id or name. Absent is success. */
async function removeContainer(engine: EngineClient, id: string, signal: AbortSignal): Promise<void> {
  try {
    const call = { method: 'DELETE', path: `/containers/${id}`, query: { force: true, v: true }, slow: true } as const;
    await engine.call({ ...call, timeoutMs: removalMs }, signal);
  } catch (error) {
    // 409: it is being removed.
    if (!hasStatus(error, 404, 409)) throw error;
  }
}

/** Removes builders of this worker: those of a run before this one, which nobody knows how to talk to. Returns how many there were. */
export async function removeOwnBuilders(deps: BuilderContainerDeps, signal: AbortSignal): Promise<number> {
  const { engine, workerId } = deps;
  const query = { all: true, filters: { label: [`${builderLabels.workerId}=${workerId}`] } };
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal)).map(record);
  const own = found.filter(({ Labels }) => isOwnBuilder(texts(Labels), deps));
  for (const { Id } of own) await removeContainer(engine, text(Id), signal);
  return own.length;
}
