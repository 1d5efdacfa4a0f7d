/** A Clock that a test moves by hand, so that hours pass at once and nothing depends on how fast the machine is. */
import type { Clock } from '#common/clock.ts';

export interface ManualClock extends Clock {
  /**
   * Lets `ms` pass on both clocks and calls what falls due, in order of its time; a callback sees the time it was due at
   * and may set new timers, which are called too if they fall due. A callback that throws ends the move there.
   */
  advance(ms: number): void;
  /**
   * As `advance`, and after each callback and at the end lets the promises it settled continue, so that a chain like
   * "sleep, do, sleep again" runs through.
   */
  advanceSettled(ms: number): Promise<void>;
  /** Moves the wall clock alone, as NTP or an operator does. No timer is due by that. */
  setWall(wallMs: number): void;
  /** How many timers wait. */
  pendingTimers(): number;
  /** When the next timer is due, in ms from now; undefined without timers. */
  nextTimerMs(): number | undefined;
}

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/**
 * The wall clock starts at 2026-01-01 unless given; the monotonic one at 1000. With `bootId` it is one that processes of one
 * machine share; else a restart of a program cannot compare monotonic times.
 */
export function createManualClock(start: { wallMs?: number; monotonicMs?: number; bootId?: string } = {}): ManualClock {
  let wallMs = start.wallMs ?? Date.UTC(2026, 0, 1);
  let monotonicMs = start.monotonicMs ?? 1000;
  const timers = new Set<Timer>();

  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    // A Set keeps the order of setting, so of two timers due together the one set first goes first.
    for (const timer of timers) if (!first || timer.dueMs < first.dueMs) first = timer;
    return first;
  };
  const moveTo = (target: number) => {
    wallMs += target - monotonicMs;
    monotonicMs = target;
  };
  /** Calls one timer that is due by `target`; false when there is none. */
  const fireNext = (target: number): boolean => {
    const timer = next();
    if (!timer || timer.dueMs > target) return false;
    timers.delete(timer);
    moveTo(Math.max(timer.dueMs, monotonicMs));
    timer.callback();
    return true;
  };
  const checked = (ms: number) => {
    if (!(ms >= 0)) throw new RangeError(`time goes forward only, not by ${ms} ms; for the wall clock use setWall`);
    return monotonicMs + ms;
  };

  return {
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    bootId: start.bootId,
    after(delayMs, callback) {
      const timer = { dueMs: monotonicMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    advance(ms) {
      const target = checked(ms);
      while (fireNext(target)) {}
      moveTo(target);
    },
    async advanceSettled(ms) {
      const target = checked(ms);
      await settle();
      while (fireNext(target)) await settle();
      moveTo(target);
      await settle();
    },
    setWall(newWallMs) {
      wallMs = newWallMs;
    },
    pendingTimers: () => timers.size,
    nextTimerMs: () => {
      const timer = next();
      return timer && timer.dueMs - monotonicMs;
    },
  };
}

/** One turn of the event loop: every promise that can continue has. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
