/**
 * Measures what bots have written, a few of them each time: those that were measured longest ago, and before them those that
 * never were. The cost of a turn does not grow with the number of bots; how often one's turn comes does.
 *
 * A turn comes every 30 s, every 2 minutes while nothing grows, and at once when the engine's disk loses space quickly.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { ContainerRuntime, DiskMeasure } from '../runtime/container-runtime.ts';

export interface DiskWatchParts {
  readonly runtime: Pick<ContainerRuntime, 'measureDisk' | 'freeDisk'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Containers that run now. */
  readonly running: () => readonly string[];
  readonly onMeasure: (measure: DiskMeasure) => void;
}

/** So many are measured by one container. */
export const measuredAtOnce = 16;
const turnEveryMs = 30_000;
const calmEveryMs = 120_000;
/** Less growth than this is none. */
const growthBytes = 8 * 1024 * 1024;
const lookEveryMs = 3000;
const lookLimitMs = 10_000;
/** More than a build or a pull usually takes in that time; less than what would matter. */
const fallBytes = 256 * 1024 * 1024;
/** So many turns in a row may find a bot's files not to be counted in time, before it is said of them: a disk may be busy with something else. */
const uncountedTurns = 3;
/** Between two turns at least: measuring is work for the engine. */
const restMs = 2000;

interface Measured {
  /** Monotonic. */
  readonly atMs: number;
  readonly bytes: number;
  /** In so many turns, the last one included, its files could not be counted. */
  readonly uncounted: number;
}

export class DiskWatch {
  readonly #parts: DiskWatchParts;
  readonly #ending = new AbortController();
  readonly #bell = new Bell();
  /** By container. */
  readonly #measured = new Map<string, Measured>();
  #freeBytes: number | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#parts.logger.error({ err: error }, 'what bots write is not watched any more');
    });
  }

  async stop(): Promise<void> {
    this.#ending.abort(new Error('disks are no longer watched'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ending;
    let turnAtMs = clock.monotonicMs();
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= turnAtMs || (await this.#losesSpace(signal))) {
        const isCalm = await this.#turn(signal);
        turnAtMs = clock.monotonicMs() + (isCalm ? calmEveryMs : turnEveryMs);
        await this.#bell.wait({ signal, clock, afterMs: restMs });
        continue;
      }
      await this.#bell.wait({ signal, clock, afterMs: Math.min(lookEveryMs, turnAtMs - nowMs) });
    }
  }

  async #losesSpace(signal: AbortSignal): Promise<boolean> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(lookLimitMs)]);
    const free = await this.#parts.runtime.freeDisk(limit).catch(() => undefined);
    const before = this.#freeBytes;
    if (free === undefined || before === undefined || free > before) this.#freeBytes = free;
    if (free === undefined || before === undefined || before - free < fallBytes) return false;
    this.#freeBytes = free;
    return true;
  }

  /** Whether nothing has grown, of all that is there. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const { runtime, clock, logger, running, onMeasure } = this.#parts;
    const ids = running();
    const there = new Set(ids);
    for (const id of this.#measured.keys()) if (!there.has(id)) this.#measured.delete(id);
    const lastOf = (id: string) => this.#measured.get(id)?.atMs ?? -1;
    const chosen = ids.toSorted((a, b) => lastOf(a) - lastOf(b)).slice(0, measuredAtOnce);
    const found = new Map<string, Omit<Measured, 'atMs'>>();
    let grows = chosen.length < ids.length;
    try {
      for (const measure of await runtime.measureDisk(chosen, signal)) {
        const bytes = measure.dataBytes + measure.layerBytes;
        const before = this.#measured.get(measure.containerId);
        const uncounted = measure.isUncountable ? (before?.uncounted ?? 0) + 1 : 0;
        if (before === undefined || bytes - before.bytes > growthBytes || uncounted > 0) grows = true;
        found.set(measure.containerId, { bytes, uncounted });
        onMeasure({ ...measure, isUncountable: uncounted >= uncountedTurns });
      }
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error }, 'what bots have written could not be measured');
    }
    // One that could not be measured is no reason to measure no other.
    const atMs = clock.monotonicMs();
    for (const id of chosen) this.#measured.set(id, { bytes: 0, uncounted: 0, ...found.get(id), atMs });
    return !grows;
  }
}
