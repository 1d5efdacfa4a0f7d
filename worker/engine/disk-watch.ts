/**
 * Measures what bots have written, a few of them each time: those that were measured longest ago, and before them those that
 * never were. The cost of a turn does not grow with the number of bots; how often one's turn comes does.
 *
 * 1. A turn comes every 30 s, every 2 minutes while nothing grows, and at once when the engine's disk loses space quickly.
 * 2. In a turn each bot has a few seconds. One that needs more is measured beside the turns from then on, with other such bots: it keeps
 *    neither the others nor the next turn waiting.
 * 3. No user gets more of a turn than another one who has a bot waiting.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { ContainerRuntime, DiskMeasure } from '../runtime/container-runtime.ts';
import { chooseFairly } from './fair-turn.ts';

/** A container that runs now. */
export interface WatchedContainer {
  readonly id: string;
  readonly userId: string;
}

export interface DiskWatchParts {
  readonly runtime: Pick<ContainerRuntime, 'measureDisk' | 'freeDisk'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly running: () => readonly WatchedContainer[];
  readonly onMeasure: (measure: DiskMeasure) => void;
}

/** So many are measured by one container. */
export const measuredAtOnce = 16;
/** As many as are counted beside each other. */
export const slowAtOnce = 4;
const quickMs = 3000;
const slowMs = 20_000;
const turnEveryMs = 30_000;
const calmEveryMs = 120_000;
/** Less growth than this is none. */
const growthBytes = 8 * 1024 * 1024;
const lookEveryMs = 3000;
const lookLimitMs = 10_000;
/** More than a build or a pull usually takes in that time; less than what would matter. */
const fallBytes = 256 * 1024 * 1024;
/** So many times in a row a bot's files may not be counted in time, before it is said of them: a disk may be busy with something else. */
const uncountedTimes = 3;
/** Between two turns at least: measuring is work for the engine. */
const restMs = 2000;

interface Measured {
  /** Monotonic; less than 0 before it was measured, in turns or beside them. */
  readonly atMs: number;
  readonly bytes: number;
  /** Measured beside the turns. */
  readonly isSlow: boolean;
  /** So many times in a row, the last one included, its files could not be counted with much time. */
  readonly uncounted: number;
}

const unmeasured: Measured = { atMs: -1, bytes: 0, isSlow: false, uncounted: 0 };

export class DiskWatch {
  readonly #parts: DiskWatchParts;
  readonly #ending = new AbortController();
  readonly #bell = new Bell();
  readonly #slowBell = new Bell();
  /** By container. */
  readonly #measured = new Map<string, Measured>();
  #freeBytes: number | undefined;
  /** When the disk lost space quickly. */
  #lostAtMs = -1;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    const kept = (work: Promise<void>) =>
      work.catch((error: unknown) => {
        this.#parts.logger.error({ err: error }, 'what bots write is not watched any more');
      });
    this.#running = Promise.all([kept(this.#takeTurns()), kept(this.#measureSlow())]);
  }

  async stop(): Promise<void> {
    this.#ending.abort(new Error('disks are no longer watched'));
    await this.#running;
  }

  async #takeTurns(): Promise<void> {
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
    this.#lostAtMs = this.#parts.clock.monotonicMs();
    this.#slowBell.ring();
    return true;
  }

  /** Whether nothing has grown, of all that is there. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const { clock, running, onMeasure } = this.#parts;
    const there = new Set(running().map(({ id }) => id));
    for (const id of this.#measured.keys()) if (!there.has(id)) this.#measured.delete(id);
    const waiting = this.#waiting(false);
    const chosen = chooseFairly(waiting, measuredAtOnce);
    let grows = chosen.length < waiting.length;
    const measures = await this.#measure(chosen, quickMs, signal);
    const atMs = clock.monotonicMs();
    for (const id of chosen) {
      const before = this.#measured.get(id);
      const measure = measures.get(id);
      if (measure?.uncountable !== undefined) {
        // Measured beside the turns at once.
        this.#measured.set(id, { ...unmeasured, bytes: before?.bytes ?? 0, isSlow: true });
        this.#slowBell.ring();
        continue;
      }
      // One that could not be measured is no reason to measure no other.
      const bytes = measure === undefined ? 0 : bytesOf(measure);
      this.#measured.set(id, { ...unmeasured, atMs, bytes });
      if (measure === undefined) continue;
      if (before === undefined || bytes - before.bytes > growthBytes) grows = true;
      onMeasure(measure);
    }
    return !grows;
  }

  async #measureSlow(): Promise<void> {
    const { clock, onMeasure } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      const all = this.#waiting(true);
      const dueMs = (lastMs: number) => (lastMs < this.#lostAtMs ? nowMs : lastMs + turnEveryMs);
      const chosen = chooseFairly(
        all.filter(({ lastMs }) => lastMs < 0 || dueMs(lastMs) <= nowMs),
        slowAtOnce,
      );
      if (chosen.length === 0) {
        const nextMs = Math.min(...all.map(({ lastMs }) => dueMs(lastMs)));
        await this.#slowBell.wait({ signal, clock, ...(all.length > 0 && { afterMs: nextMs - nowMs }) });
        continue;
      }
      const measures = await this.#measure(chosen, slowMs, signal);
      const atMs = clock.monotonicMs();
      for (const id of chosen) {
        const before = this.#measured.get(id) ?? unmeasured;
        const measure = measures.get(id);
        if (measure === undefined) {
          this.#measured.set(id, { ...before, isSlow: true, atMs });
          continue;
        }
        const uncounted = measure.uncountable === undefined ? 0 : before.uncounted + 1;
        const isSlow = uncounted > 0 || (measure.tookMs ?? 0) > quickMs;
        this.#measured.set(id, { atMs, bytes: bytesOf(measure), isSlow, uncounted });
        // What was counted of the others says too little.
        if (uncounted === 0 || uncounted >= uncountedTimes) onMeasure(measure);
      }
      await this.#bell.wait({ signal, clock, afterMs: restMs });
    }
  }

  #waiting(slow: boolean) {
    return this.#parts.running().flatMap(({ id, userId }) => {
      const { isSlow, atMs } = this.#measured.get(id) ?? unmeasured;
      return isSlow === slow ? [{ id, userId, lastMs: atMs }] : [];
    });
  }

  /** By container. Empty when it failed. */
  async #measure(ids: readonly string[], limitMs: number, signal: AbortSignal) {
    try {
      const measures = await this.#parts.runtime.measureDisk(ids, limitMs, signal);
      return new Map(measures.map((measure) => [measure.containerId, measure]));
    } catch (error) {
      if (!signal.aborted) this.#parts.logger.debug({ err: error }, 'what bots have written could not be measured');
      return new Map<string, DiskMeasure>();
    }
  }
}

const bytesOf = ({ dataBytes, layerBytes }: DiskMeasure): number => dataBytes + layerBytes;
