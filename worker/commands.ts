/** How the worker carries out an orchestrator's requests and commands: session/worker-commands.ts. */
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { inBackground } from '#common/background.ts';
import { type Capability, capabilities } from '#common/capabilities.ts';
import type { Labels } from '#common/labels.ts';
import type { Logger } from '#common/log.ts';
import { protocolMax, protocolMin, version } from '#common/version.ts';
import { HeartbeatSchema, HelloSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRegistry } from './bots/bot-registry.ts';
import type { EngineHealth } from './engine/engine-watch.ts';
import type { StrayDecisions } from './engine/stray-decisions.ts';
import type { RuntimeKind } from './runtime/container-runtime.ts';
import type { ToldSafety } from './safety/told-safety.ts';
import type { Tails } from './session/tails.ts';
import type { WorkerCommands } from './session/worker-commands.ts';
import type { StateDir } from './state/state-dir.ts';

export interface CommandParts {
  readonly state: StateDir;
  readonly registry: BotRegistry;
  readonly strays: StrayDecisions;
  readonly logs: Tails;
  readonly health: () => EngineHealth;
  readonly runtimeKind: RuntimeKind;
  readonly labels: Labels;
  readonly safety: ToldSafety;
  readonly logger: Logger;
}

export interface Commands extends WorkerCommands {
  /** Whether the last Hello said what the engine's machine has. */
  readonly toldEngine: boolean;
}

export function createWorkerCommands({ state, registry, health, logger, ...parts }: CommandParts): Commands {
  const bootId = randomUUID();
  let toldEngine = false;
  const learn = (told: Parameters<StateDir['history']['learn']>[1]) =>
    inBackground(state.history.learn(state.storeId() ?? '', told), (error) =>
      logger.warn({ err: error }, "the history of the orchestrator's store could not be written"),
    );
  return {
    get toldEngine() {
      return toldEngine;
    },
    hello() {
      const { ready, reason, info } = health();
      toldEngine = info !== undefined;
      return create(HelloSchema, {
        workerId: state.workerId,
        bootId,
        protocolMin,
        protocolMax,
        capabilities: [...capabilitiesOf(parts.runtimeKind)],
        runtime: parts.runtimeKind,
        engineVersion: info?.version ?? '',
        version,
        labels: { ...parts.labels },
        capacity: { memoryBytes: BigInt(info?.memoryBytes ?? 0), cpuMillis: info?.cpuMillis ?? 0 },
        snapshot: [...registry.snapshot()],
        openings: state.history.openings,
        ...(state.history.heard ? { heard: state.history.heard } : {}),
        ready,
        notReadyReason: reason,
        safety: parts.safety.all(),
      });
    },
    observationOf: (bot) => registry.observationOf(bot),
    heartbeat() {
      const { ready, reason } = health();
      const safety = parts.safety.news();
      const builds = registry.builds;
      return create(HeartbeatSchema, { ready, notReadyReason: reason, builds, ...(safety && { safety }) });
    },
    objectionTo(storeId) {
      if (storeId === '' || storeId === state.storeId()) return undefined;
      if (state.storeId() !== undefined && registry.snapshot().length > 0) return foreignStore(state);
      inBackground(state.rememberStore(storeId), (error) =>
        logger.error({ err: error }, "the id of the orchestrator's store could not be written"),
      );
      return undefined;
    },
    applyDesiredSet(set, anew) {
      registry.applyDesiredSet(set, anew);
      learn(set);
    },
    applyDesiredChanges(changes) {
      if (!registry.applyDesiredChanges(changes)) return false;
      learn({ ...changes, openings: [] });
      return true;
    },
    desiredVersion: () => registry.desiredVersion,
    ensure: (message) => registry.ensure(message),
    cancelTask: (taskId) => registry.cancelTask(taskId),
    strays: () => parts.strays.strays,
    adopt: (decision) =>
      inBackground(parts.strays.decide(decision), (error) =>
        logger.error({ err: error }, 'a decision about containers failed'),
      ),
    hold: (held) => registry.hold(held),
    openTail: (channel, tail, signal) => parts.logs.serve(channel, tail, signal),
  };
}

/** An orchestrator that does not know these bots would have them removed. */
const foreignStore = (state: StateDir): string =>
  "the orchestrator's store is not the one that this worker's bots belong to, and would remove them; " +
  `restore its DATA_DIR, or remove ${state.storeIdPath} to give the bots up`;

/** Plain processes have no images, and no file system of their own. */
const needContainers: readonly Capability[] = [capabilities.custom, capabilities.image, capabilities.readOnly];

const capabilitiesOf = (kind: RuntimeKind): readonly Capability[] =>
  Object.values(capabilities).filter((name) => kind !== 'process' || !needContainers.includes(name));
