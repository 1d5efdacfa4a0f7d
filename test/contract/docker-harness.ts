/** The docker runtime for the contract suite, on the engine that the test set-up provides. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Clock, systemClock } from '#common/clock.ts';
import type { FetchAllow, Resolve } from '#common/fetch-policy.ts';
import type { Language } from '#common/language.ts';
import { type Logger, silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { defaultArchiveLimits, fetchFile } from '../../worker/fetch/fetch-archive.ts';
import { systemResolve } from '../../worker/fetch/fetched.ts';
import type { BuildSettings } from '../../worker/images/build-settings.ts';
import { buildLabel } from '../../worker/images/dockerfile.ts';
import type { ContainerRuntime } from '../../worker/runtime/container-runtime.ts';
import type { FetchFile } from '../../worker/runtime/docker/added-image.ts';
import { list, record, text, texts } from '../../worker/runtime/docker/answers.ts';
import { builderLabels } from '../../worker/runtime/docker/builder/builder-container.ts';
import type { BuilderOptions } from '../../worker/runtime/docker/builder/make-builders.ts';
import { createDockerRuntime } from '../../worker/runtime/docker/docker-runtime.ts';
import { createEngineClient, type Query } from '../../worker/runtime/docker/engine-client.ts';
import { hasStatus } from '../../worker/runtime/docker/engine-errors.ts';
import type { SigningKey } from '../../worker/runtime/labels.ts';
import { createPrivateImages } from '../../worker/state/private-images.ts';
import type { TakenContainers } from '../../worker/state/taken-containers.ts';
import { builderImageName, buildsSeparately } from '../kit/builder-image.ts';
import { eventually } from '../kit/eventually.ts';
import type { TestDocker } from '../kit/test-docker.ts';
import { absentRequirement, endlessRequirement, startEndlessIndex } from './endless-index.ts';
import { type Harness, patience, second } from './harness.ts';

/** Shared by all workers of a test file, as if they shared a state folder. */
const codeDir = mkdtempSync(join(tmpdir(), 'contract-code-'));
afterAll(() => rmSync(codeDir, { recursive: true, force: true }));

export const baseImages = { python: 'python:3.11-slim', node: 'node:24-slim' } as const;
const ownKey = new Secret<Uint8Array>(new Uint8Array(32).fill(1));

/** The engine's own API, for looking behind the runtime's back. */
export interface RawEngine {
  get(path: string, query?: Query): Promise<unknown>;
  post(path: string, query: Query, body?: unknown): Promise<unknown>;
  remove(path: string, query?: Query): Promise<unknown>;
}

export function rawEngine(docker: TestDocker): RawEngine {
  const client = createEngineClient(docker.host);
  return {
    get: (path, query = {}) => client.call({ method: 'GET', path, query }, patience()),
    post: (path, query, body = {}) => client.call({ method: 'POST', path, query, body }, patience()),
    remove: (path, query = {}) => client.call({ method: 'DELETE', path, query }, patience()),
  };
}

/** What the suites build in with BOTRUNNER_TEST_BUILDER=separate. */
export const separateBuilder: BuilderOptions = {
  setting: 'separate',
  image: builderImageName,
  limits: { memoryBytes: 1024 ** 3, cpuMillis: 2000, diskBytes: 4 * 1024 ** 3 },
  lent: ['busybox:stable'],
};

export interface DockerChoice {
  readonly builder?: BuilderOptions;
  readonly network: string;
  readonly workerId: string;
  readonly signingKey?: SigningKey | undefined;
  readonly buildSettings?: BuildSettings;
  /** Default: that of the system. */
  readonly clock?: Clock;
  readonly bases?: Readonly<Record<Language, string>>;
  readonly fetchAllow?: FetchAllow;
  readonly resolve?: Resolve;
  readonly strangers?: boolean;
  readonly runtimeClass?: string;
  readonly logger?: Logger;
}

export function dockerRuntime(docker: TestDocker, choice: DockerChoice): ContainerRuntime {
  return createDockerRuntime({
    dockerHost: docker.host,
    codeDir,
    sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
    network: choice.network,
    egress: { kind: 'open' },
    firewallMark: join(codeDir, '..', 'no-firewall'),
    baseImages: choice.bases ?? baseImages,
    builder: choice.builder ?? (buildsSeparately ? separateBuilder : undefined),
    buildSettings: choice.buildSettings ?? { pipIndexUrl: docker.pipIndexUrl },
    workerId: choice.workerId,
    signingKey: choice.signingKey ?? ownKey,
    fetchAllow: choice.fetchAllow ?? [],
    resolve: choice.resolve ?? systemResolve,
    fetchFile: fetchFileWith(choice.fetchAllow ?? []),
    privateImages: createPrivateImages({}, async () => {}),
    taken: takenInMemory(choice.workerId),
    clock: choice.clock ?? systemClock,
    logger: choice.logger ?? silentLogger,
    strangers: choice.strangers,
    runtimeClass: choice.runtimeClass,
  });
}

/** As a worker fetches what a Dockerfile adds. */
export const fetchFileWith =
  (allow: FetchAllow): FetchFile =>
  (url, maxBytes, signal) =>
    fetchFile({ dir: codeDir, allow, clock: systemClock }, url, signal, { ...defaultArchiveLimits, maxBytes });

function takenInMemory(workerId: string): TakenContainers {
  const ids = new Set<string>();
  return { has: (id) => ids.has(id), add: async (id) => void ids.add(id), workerIds: [workerId] };
}

const idsOf = (answer: unknown): readonly string[] => list(answer).map((entry) => text(record(entry)['Id']));

/** A network of a worker for the bots of a user, by the name it has: the last part is a hash. */
export async function networkOf(engine: RawEngine, base: string, userId: string): Promise<string> {
  const names = list(await engine.get('/networks')).map((network) => text(record(network)['Name']));
  const found = names.find((name) => name.startsWith(`${base}_${userId}_`) && !name.endsWith('_build'));
  if (found === undefined) throw new Error(`${userId} has no network: ${names.join(', ')}`);
  return found;
}

/** Removes what tests made for bots of a user, and the networks. */
export async function removeAllOf(engine: RawEngine, userId: string, network: string): Promise<void> {
  const filters = { label: [`user_id=${userId}`] };
  for (const id of idsOf(await engine.get('/containers/json', { all: true, filters }))) {
    await removeOne(engine, `/containers/${id}`, { force: true, v: true });
  }
  // At the same time: one waits until those that are made from it are gone.
  await Promise.all(
    idsOf(await engine.get('/images/json', { filters })).map((id) =>
      removeOne(engine, `/images/${id}`, { force: true }),
    ),
  );
  for (const volume of list(record(await engine.get('/volumes', { filters }))['Volumes'])) {
    await removeOne(engine, `/volumes/${text(record(volume)['Name'])}`);
  }
  await removeNetworks(engine, network);
}

/** Resolves when it is gone, even if something else is removing it, such as a worker that a test has just closed. */
async function removeOne(engine: RawEngine, path: string, query: Query = {}): Promise<void> {
  try {
    await engine.remove(path, query);
  } catch (error) {
    if (hasStatus(error, 404)) return;
    // "removal of container ... is already in progress"; 500 when another removal takes a layer away that this one looks at.
    if (!hasStatus(error, 409, 500)) throw error;
    const isGone = async () => {
      try {
        await engine.remove(path, query);
        return true;
      } catch (failure) {
        if (hasStatus(failure, 404)) return true;
        if (hasStatus(failure, 409, 500)) return false;
        throw failure;
      }
    };
    const answer = error.text;
    await eventually(`${path} is removed (${answer})`, isGone, (gone) => gone, { timeoutMs: 30_000 });
  }
}

/** Those of bots and builds whose names begin so, with the builders that are in them. */
export async function removeNetworks(engine: RawEngine, base: string): Promise<void> {
  const builders = { label: [builderLabels.workerId] };
  for (const found of list(await engine.get('/containers/json', { all: true, filters: builders })).map(record)) {
    const [network = ''] = Object.keys(record(record(found['NetworkSettings'])['Networks']));
    if (!network.startsWith(`${base}_`)) continue;
    await removeOne(engine, `/containers/${text(found['Id'])}`, { force: true, v: true });
    await removeOne(engine, `/volumes/${(list(found['Names']).map(text)[0] ?? '').slice(1)}`);
  }
  for (const found of list(await engine.get('/networks')).map(record)) {
    const name = text(found['Name']);
    if (name === base || name.startsWith(`${base}_`)) await removeOne(engine, `/networks/${name}`);
  }
}

/** `network` must be another one for each harness: test files share the engine. */
export async function createDockerHarness(docker: TestDocker, language: Language, network: string): Promise<Harness> {
  const engine = rawEngine(docker);
  const index = await startEndlessIndex(docker.hostAddress);
  const buildSettings = { pipIndexUrl: index.url, npmRegistry: index.url };
  const userId = 'contract';
  const ofSuite = { label: [`user_id=${userId}`] };
  return {
    language,
    hasImages: true,
    reusesPackages: true,
    abortedBuildsRunOn:
      docker.podman && 'Podman finishes the step of a build whose client has gone, and keeps its layers until then',
    outputTimeStepMs: docker.podman === undefined ? 0 : second,
    absentRequirement,
    endlessRequirement,
    endlessReached: () => index.reached(),
    runtime: ({ workerId, signingKey }) => dockerRuntime(docker, { network, workerId, signingKey, buildSettings }),
    async forge(name, labels, image) {
      const body = { Image: image, Labels: labels, Cmd: ['sleep', '1000'] };
      const id = text(record(await engine.post('/containers/create', { name }, body))['Id']);
      await engine.post(`/containers/${id}/start`, {});
      return id;
    },
    async forgedRuns(id) {
      return record(record(await engine.get(`/containers/${id}/json`))['State'])['Running'] === true;
    },
    async traces() {
      const filters = { label: [buildLabel] };
      const images = list(await engine.get('/images/json', { all: true, filters })).map(record);
      const ours = images.filter(({ Labels }) => texts(Labels)[buildLabel]?.startsWith('worker-1.'));
      const named = ours.flatMap(({ Id, RepoTags }) => [text(Id), ...list(RepoTags).map(text)]);
      const containers = list(await engine.get('/containers/json', { all: true, filters })).map(record);
      const steps = containers.filter(({ Labels }) => texts(Labels)[buildLabel]?.startsWith('worker-1.'));
      const code = readdirSync(codeDir);
      return [...named, ...steps.map(({ Id }) => text(Id)), ...code].toSorted();
    },
    async readable() {
      const containers = await engine.get('/containers/json', { all: true, filters: ofSuite });
      const images = idsOf(await engine.get('/images/json', { filters: ofSuite }));
      const details = images.map(async (id) => [
        await engine.get(`/images/${id}/json`),
        await engine.get(`/images/${id}/history`),
      ]);
      return JSON.stringify([containers, await Promise.all(details)]);
    },
    async close() {
      await index.close();
      await removeAllOf(engine, userId, network);
    },
  };
}
