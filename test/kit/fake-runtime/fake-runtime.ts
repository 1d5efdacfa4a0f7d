/** ContainerRuntime in memory, for tests of what is above it: it keeps the contract, and fails where the test says. */
import { createHash } from 'node:crypto';
import { type Clock, sleep } from '#common/clock.ts';
import { botKeyText } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { listSafeTar } from '#common/safe-tar.ts';
import { createCustomContext } from '../../../worker/images/custom-context.ts';
import { classicFrontend } from '../../../worker/images/users-dockerfile/frontend.ts';
import { platformOf } from '../../../worker/images/users-dockerfile/platform.ts';
import { checkEnv } from '../../../worker/runtime/check-env.ts';
import {
  type ContainerFacts,
  type ContainerPlan,
  type ContainerRuntime,
  type DiskMeasure,
  type ImagePull,
  NameInUseError,
  type OutputStream,
} from '../../../worker/runtime/container-runtime.ts';
import { claimedIdentity, type SigningKey, signedLabels } from '../../../worker/runtime/labels.ts';
import type { SafetyCheckName } from '../../../worker/runtime/safety.ts';
import { settingsDigest, settingsLabel, sortedEnv } from '../../../worker/runtime/settings-digest.ts';
import { noneTaken, noSuchStray, type Owner, ownIdentity, type Stray } from '../../../worker/runtime/strays.ts';
import type { FakeContainer, FakeEngine } from './fake-engine.ts';

export type FakeOperation = Exclude<keyof ContainerRuntime, 'kind'>;

export interface FakeRuntimeOptions {
  readonly engine: FakeEngine;
  readonly workerId: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
}

export interface FakeRuntime extends ContainerRuntime {
  /** The next call of that operation throws `error`: before it does anything, or after it took effect. */
  failNext(operation: FakeOperation, error: unknown, when?: 'before' | 'after'): void;
  /** Every later call of that operation waits so long first, by the clock. 0 ends it. */
  delay(operation: FakeOperation, ms: number): void;
  /** The operations called so far, oldest first. */
  readonly calls: readonly FakeOperation[];
  /** A bot ends on its own. */
  exit(id: string, code: number, how?: { readonly oomKilled: boolean }): void;
  /** A bot prints. */
  print(id: string, line: string, stream?: OutputStream): void;
  /** The oldest lines are lost, as by rotation. */
  dropOutput(id: string, lines: number): void;
  /** What measureDisk says of a container; what is not given is zero. */
  uses(id: string, measure: Partial<Omit<DiskMeasure, 'containerId'>>): void;
  /** All event streams end, as when the engine restarts. */
  breakEvents(): void;
  /** The safety checks that fail. */
  readonly unsafe: Set<SafetyCheckName>;
}

const checked = ['runtime', 'isolation', 'egress', 'builder', 'disk'] as const;
const nothingUsed = {
  dataBytes: 0,
  layerBytes: 0,
  dataFiles: 0,
  layerFiles: 0,
  isSized: false,
  isOld: false,
  uncountable: undefined,
  tookMs: 0,
};

const cursorPattern = /^f1:([0-9a-f]{64}):(\d{1,12})$/;

export function createFakeRuntime({ engine, workerId, signingKey, clock }: FakeRuntimeOptions): FakeRuntime {
  const calls: FakeOperation[] = [];
  const failures = new Map<FakeOperation, { readonly error: unknown; readonly when: 'before' | 'after' }[]>();
  const delays = new Map<FakeOperation, number>();
  const unsafe = new Set<SafetyCheckName>();
  const used = new Map<string, DiskMeasure>();
  let eventStreams = new AbortController();

  const call = async <T>(operation: FakeOperation, signal: AbortSignal, work: () => T | Promise<T>): Promise<T> => {
    calls.push(operation);
    signal.throwIfAborted();
    const delayMs = delays.get(operation) ?? 0;
    if (delayMs > 0) await sleep(clock, delayMs, signal);
    const failure = failures.get(operation)?.shift();
    if (failure?.when === 'before') throw failure.error;
    const result = await work();
    if (failure) throw failure.error;
    return result;
  };
  const taken = new Set<string>();
  const owner: Owner = {
    workerId,
    signingKey,
    taken: { ...noneTaken(workerId), has: (id) => taken.has(id) },
  };
  const factsOf = (container: FakeContainer): ContainerFacts | undefined => {
    const identity = ownIdentity(owner, container);
    if (!identity) return undefined;
    const { id, name, status, startedAtMs, finishedAtMs, exitCode, oomKilled } = container;
    const { key, revision, epoch } = identity;
    return {
      id,
      name,
      key,
      revision,
      epoch,
      status,
      startedAtMs,
      finishedAtMs,
      exitCode,
      oomKilled,
      settings: container.labels[settingsLabel],
      disk: container.plan.disk,
      protection: { readOnly: container.plan.readOnly === true, runtimeClass: 'runc', user: '10001:10001' },
    };
  };
  const strayOf = (container: FakeContainer): Stray | undefined => {
    const { id, name, labels, status } = container;
    const claimed = claimedIdentity(name, labels);
    if (claimed === undefined || ownIdentity(owner, container)) return undefined;
    return { id, name, key: claimed.key, workerId: claimed.workerId, running: status === 'running' };
  };
  const needStray = (id: string): FakeContainer => {
    const container = engine.containers.get(id);
    if (container === undefined || strayOf(container) === undefined) throw noSuchStray(id);
    return container;
  };
  const find = (id: string): FakeContainer | undefined => {
    const container = engine.containers.get(id);
    return container && factsOf(container) ? container : undefined;
  };
  const need = (id: string): FakeContainer =>
    find(id) ?? refuse('CONTAINER_ERROR', 'The container does not exist any more.', { hint: 'Start the bot again.' });

  const settingsOf = ({ run, env, memoryBytes, cpuMillis }: ContainerPlan) =>
    settingsDigest(signingKey, [run, sortedEnv(env.reveal()), memoryBytes, cpuMillis]);
  const isThere = (image: string): boolean => engine.images.has(image) || [...engine.pulled.values()].includes(image);

  return {
    // It stands for an engine: it has images, and containers that outlive their worker.
    kind: 'docker',
    calls,
    failNext(operation, error, when = 'before') {
      failures.set(operation, [...(failures.get(operation) ?? []), { error, when }]);
    },
    delay: (operation, ms) => void delays.set(operation, ms),
    exit: (id, code, how) => engine.exit(need(id), code, how?.oomKilled),
    print: (id, line, stream) => engine.print(need(id), line, stream),
    dropOutput: (id, lines) => engine.drop(need(id), lines),
    uses: (id, measure) => void used.set(id, { ...nothingUsed, ...measure, containerId: id }),
    breakEvents() {
      eventStreams.abort();
      eventStreams = new AbortController();
    },

    info: (signal) => call('info', signal, () => ({ version: 'fake', memoryBytes: 8e9, cpuMillis: 4000 })),
    unsafe,
    safety: (signal) =>
      call('safety', signal, () =>
        checked.map((name) =>
          unsafe.has(name)
            ? { name, ok: false, message: `On host-17 ${name} is broken.`, hint: `Mend ${name}.` }
            : { name, ok: true, message: `${name} holds.` },
        ),
      ),
    measureDisk: (ids, _limitMs, signal) =>
      call('measureDisk', signal, () =>
        ids
          .filter((id) => find(id)?.status === 'running')
          .map((id) => used.get(id) ?? { ...nothingUsed, containerId: id }),
      ),
    freeDisk: async () => undefined,
    reuseImage: (_build, signal) => call('reuseImage', signal, () => false),
    buildImage: (build, signal) =>
      call('buildImage', signal, async () => {
        await listSafeTar(build.sourceTar.open());
        await (engine.options.builder ?? defaultBuilder)(build, signal);
        signal.throwIfAborted();
        engine.images.set(build.image, { key: build.key, workerId: build.workerId });
      }),
    buildCustomImage: (build, signal) =>
      call('buildCustomImage', signal, async () => {
        const { stream, done } = await createCustomContext({
          ...build,
          terms: {
            platform: platformOf('linux', 'amd64', 'x86_64'),
            frontend: classicFrontend,
            buildArgs: build.buildArgs ?? {},
            target: build.target ?? '',
            cacheScope: 'cache',
            addedImage: 'added:latest',
          },
        });
        stream.resume();
        await done;
        await (engine.options.customBuilder ?? defaultBuilder)(build, signal);
        signal.throwIfAborted();
        engine.images.set(build.image, { key: build.key, workerId: build.workerId });
      }),
    pullImage: (pull, signal) =>
      call('pullImage', signal, async () => {
        const present = engine.pulled.get(pull.reference);
        if (present !== undefined && !pull.pull && !pull.reference.endsWith(':latest')) return { pinned: present };
        const digest = await (engine.options.registry ?? defaultRegistry)(pull, signal);
        signal.throwIfAborted();
        const [named = ''] = pull.reference.split('@', 1);
        const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
        const pinned = `${colon < 0 ? named : named.slice(0, colon)}@${digest}`;
        engine.pulled.set(pull.reference, pinned);
        return { pinned };
      }),
    hasImage: (image, signal) => call('hasImage', signal, () => isThere(image)),
    settleImage: (_key, _image, signal) => call('settleImage', signal, () => undefined),
    removeImages: (key, keep, signal) =>
      call('removeImages', signal, () => {
        const used = new Set([...engine.containers.values()].map(({ plan }) => plan.image));
        for (const [name, image] of engine.images) {
          const isBots = image.key.userId === key.userId && image.key.botId === key.botId;
          if (isBots && !keep.includes(name) && !used.has(name)) engine.images.delete(name);
        }
      }),
    removeVolumes: (key, signal) =>
      call('removeVolumes', signal, () => {
        const used = [...engine.containers.values()].some(({ plan }) => botKeyText(plan.key) === botKeyText(key));
        if (used) refuse('CONTAINER_ERROR', 'The data of the bot is still in use.');
        engine.volumes.delete(botKeyText(key));
      }),
    create: (plan, signal) =>
      call('create', signal, () => {
        checkEnv(plan);
        const existing = engine.byName(plan.name);
        if (existing) throw new NameInUseError(plan.name, factsOf(existing)?.id);
        if (!isThere(plan.image)) refuse('IMAGE_NOT_FOUND', `The image ${plan.image} is not on the worker.`);
        const { key, revision, epoch } = plan;
        const startedAt = new Date(clock.wallMs()).toISOString();
        const labels = signedLabels(signingKey, plan.name, { key, workerId, revision, epoch, startedAt });
        return engine.add(plan.name, { ...labels, [settingsLabel]: settingsOf(plan) }, plan).id;
      }),
    settingsOf: (plan, signal) =>
      call('settingsOf', signal, () => (isThere(plan.image) ? settingsOf(plan) : undefined)),
    start: (id, signal) => call('start', signal, () => engine.start(need(id))),
    stop: (id, graceMs, signal) =>
      call('stop', signal, async () => {
        const container = find(id);
        if (container) await engine.stop(container, graceMs, signal);
        return { behindShell: false };
      }),
    remove: (id, signal) =>
      call('remove', signal, () => {
        const container = find(id);
        if (!container) return;
        engine.exit(container, 137);
        engine.containers.delete(id);
      }),
    inspect: (id, signal) =>
      call('inspect', signal, () => {
        const container = find(id);
        return container && factsOf(container);
      }),
    list: (signal) =>
      call('list', signal, () => [...engine.containers.values()].map(factsOf).filter((facts) => facts !== undefined)),
    strays: (signal) =>
      call('strays', signal, () => [...engine.containers.values()].flatMap((one) => strayOf(one) ?? [])),
    takeStray: (id, signal) =>
      call('takeStray', signal, () => {
        needStray(id);
        taken.add(id);
      }),
    removeStray: (id, signal) =>
      call('removeStray', signal, () => {
        engine.exit(needStray(id), 137);
        engine.containers.delete(id);
      }),
    readOutput: (id, cursor, maxBytes, signal) =>
      call('readOutput', signal, () => {
        const container = need(id);
        const match = cursorPattern.exec(cursor ?? `f1:${id}:${container.dropped}`);
        if (!match) return refuse('INVALID_CURSOR', 'The log cursor was not issued by this worker.');
        const from = match[1] === id ? Number(match[2]) : -1;
        const start = Math.max(0, from - container.dropped);
        let end = start;
        let bytes = 0;
        while (end < container.lines.length && bytes < maxBytes) {
          bytes += Buffer.byteLength(container.lines[end]?.text ?? '') + 1;
          end += 1;
        }
        return {
          lines: container.lines.slice(start, end),
          cursor: `f1:${id}:${container.dropped + end}`,
          gap: from < container.dropped,
          more: end < container.lines.length,
        };
      }),
    watchOutput: (id, ring, signal) =>
      call('watchOutput', signal, async () => {
        const container = find(id);
        if (!container || container.status === 'exited') return;
        const stop = engine.onOutput((printed) => {
          if (printed === id) ring();
        });
        await aborted(AbortSignal.any([signal, container.ended.signal]));
        stop();
        ring();
      }),
    watchCpu: (id, onSample, signal) =>
      call('watchCpu', signal, async () => {
        const container = find(id);
        if (container?.status !== 'running') return;
        onSample(container.cpuMs);
        const stop = engine.onCpu((of) => {
          if (of === container) onSample(of.cpuMs);
        });
        await aborted(AbortSignal.any([signal, container.ended.signal]));
        stop();
      }),
    watchEvents: (onEvent, signal) =>
      call('watchEvents', signal, async () => {
        const stop = engine.onEvent((event, container) => {
          if (factsOf(container)) onEvent(event);
        });
        await aborted(AbortSignal.any([signal, eventStreams.signal]));
        stop();
      }),
    shutdown: async () => {
      calls.push('shutdown');
    },
  };
}

async function defaultBuilder({ image, onOutput }: { image: string; onOutput: (line: string) => void }): Promise<void> {
  onOutput(`built ${image}`);
}

const defaultRegistry = async ({ reference }: ImagePull): Promise<string> =>
  `sha256:${createHash('sha256').update(reference).digest('hex')}`;

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
