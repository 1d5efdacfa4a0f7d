/** The disk of the engine, as far as bots can fill it: what limits them, what they use, and whether there is space for more. */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { type ProblemError, problem } from '#common/problem.ts';
import { pause } from '#common/waiting/bell.ts';
import { asFailure } from '../../../failures/chances.ts';
import type { DiskMeasure } from '../../container-runtime.ts';
import type { SafetyCheck } from '../../safety.ts';
import type { EngineClient } from '../engine-client.ts';
import { type AskSpace, createAskSpace, type FreeSpace } from './engine-space.ts';
import { createMeasuring, type Measuring } from './measuring.ts';
import type { RunTools } from './run-tools.ts';
import { createSizedVolumes, type SizedVolumes } from './sized-volumes.ts';
import { createStorageOpt, type StorageOpt } from './storage-opt.ts';
import type { FindToolsImage } from './tools-image.ts';

/** `sized`: /data is a file system of its own size. `watch`: what bots write is measured. `off`: neither. */
export const diskModes = ['sized', 'watch', 'off'] as const;
export type DiskMode = (typeof diskModes)[number];

export interface DiskSettings {
  readonly mode: DiskMode;
  /** Images larger than this are refused. */
  readonly imageBytes: number;
  /** With less than this free nothing is built, pulled or started. */
  readonly reserveBytes: number;
}

export const defaultDiskSettings: DiskSettings = {
  mode: 'watch',
  imageBytes: 10 * 1024 ** 3,
  reserveBytes: 1024 ** 3,
};

export interface EngineDisk {
  readonly settings: DiskSettings;
  readonly sized: SizedVolumes;
  readonly storageOpt: StorageOpt;
  /** Undefined where it is not known. */
  space: AskSpace;
  /** CONTAINER_ERROR while the disk is nearly full. Unused images of this worker's bots are removed first. */
  roomFor(what: string, signal: AbortSignal): Promise<void>;
  /** Does work that fills the disk, and ends it with CONTAINER_ERROR when that has left too little. */
  guarded<T>(what: string, signal: AbortSignal, work: (limit: AbortSignal) => Promise<T>): Promise<T>;
  /** As ContainerRuntime.measureDisk. */
  measure(ids: readonly string[], limitMs: number, signal: AbortSignal): Promise<readonly DiskMeasure[]>;
  engineAway(): void;
  /** A container is gone. */
  removed(containerId: string): void;
  check(): SafetyCheck;
}

export interface DiskDeps {
  readonly engine: EngineClient;
  readonly dockerHost: string;
  readonly workerId: string;
  readonly settings: DiskSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly findTools: FindToolsImage;
  readonly run: RunTools;
  /** Removes images that no container uses. */
  readonly prune: (signal: AbortSignal) => Promise<void>;
  /** Instead of the engine's own disk, for tests. */
  readonly space?: AskSpace | undefined;
}

const pruneEveryMs = 600_000;
const guardEveryMs = 1000;
const filesPerMilleMin = 10;

export function createEngineDisk(deps: DiskDeps): EngineDisk {
  const { engine, settings, clock, logger } = deps;
  const { findTools, run } = deps;
  const sized = createSizedVolumes({ engine, run, findTools, logger });
  const storageOpt = createStorageOpt(engine);
  const space = deps.space ?? createAskSpace(engine, deps.dockerHost, () => clock.monotonicMs());
  const measuring = createMeasuring({ engine, clock, logger, findTools, run });
  const isShort = (free: FreeSpace | undefined, part = 1): boolean =>
    free !== undefined && (free.bytes < settings.reserveBytes * part || free.filesPerMille < filesPerMilleMin);
  let prunedAtMs = Number.NEGATIVE_INFINITY;

  return {
    settings,
    sized,
    storageOpt,
    space,
    async roomFor(what, signal) {
      if (!isShort(await space(signal))) return;
      if (clock.monotonicMs() - prunedAtMs > pruneEveryMs) {
        prunedAtMs = clock.monotonicMs();
        await deps.prune(signal);
      }
      const free = await space(signal);
      if (isShort(free)) throw noRoom(what, free, settings.reserveBytes);
    },
    async guarded(what, signal, work) {
      const ending = new AbortController();
      const full = new AbortController();
      const watching = async () => {
        while (!ending.signal.aborted) {
          // Asked again a second later.
          const free = await space(ending.signal).catch(() => undefined);
          if (isShort(free, 0.5)) full.abort(noRoom(what, free, settings.reserveBytes));
          await pause(clock, guardEveryMs, ending.signal);
        }
      };
      const watched = watching();
      try {
        return await work(AbortSignal.any([signal, full.signal]));
      } catch (error) {
        throw full.signal.aborted && !signal.aborted ? full.signal.reason : error;
      } finally {
        ending.abort();
        await watched;
      }
    },
    measure: measuring.measure,
    removed: (id) => void measuring.unsized.delete(id),
    engineAway() {
      sized.forget();
      storageOpt.forget();
    },
    check: () => checkOf(settings, sized, measuring),
  };
}

const mib = (bytes: number): number => Math.floor(bytes / (1024 * 1024));

function noRoom(what: string, free: FreeSpace | undefined, reserve: number): ProblemError {
  const lack =
    free !== undefined && free.bytes >= reserve
      ? 'has hardly any files left to give'
      : `has ${mib(free?.bytes ?? 0)} MiB free, and ${mib(reserve)} MiB are kept free`;
  const message = `${what}: the disk of the worker's container engine ${lack}.`;
  const hint = 'The operator frees space, for example with docker system prune; running bots are not affected.';
  return asFailure(problem('CONTAINER_ERROR', message, { hint }), 'again');
}

function checkOf({ mode }: DiskSettings, sized: SizedVolumes, measuring: Measuring): SafetyCheck {
  const bad = (message: string, hint: string): SafetyCheck => ({ name: 'disk', ok: false, message, hint });
  const manual = 'See "Disk" in docs/SECURITY.md.';
  if (mode === 'off') return bad('DISK_LIMITS=off lets bots fill the disk.', 'Set DISK_LIMITS=sized.');
  if (mode === 'watch') {
    return bad('/data of a bot has no size of its own: what bots write is only measured.', 'Set DISK_LIMITS=sized.');
  }
  const { obstacle, unsized } = measuring;
  const lacks = obstacle();
  if (lacks !== undefined) return bad(lacks, manual);
  const why = sized.obstacle();
  if (why !== undefined) return bad(`/data of a bot has no size of its own, because ${why}.`, manual);
  if (!sized.works()) return bad('Volumes with a size of their own have not been tried yet.', manual);
  const rest =
    unsized.size === 0
      ? ''
      : ` Bots that still have a volume from before, which is only measured until they are updated: ${unsized.size}.`;
  return {
    name: 'disk',
    ok: true,
    message: `/data has a size of its own, and what else bots write is measured.${rest}`,
  };
}
