/**
 * What runs beside everything else: timers, and work that nobody waits for. What it throws is reported and ends nothing, neither
 * the process nor the next time. test/house/background.test.ts keeps bare timers and unguarded promises out of the programs.
 */
import type { Clock } from './clock.ts';

export type ErrorReport = (error: unknown) => void;

/** Work that nobody waits for. */
export function inBackground(work: Promise<unknown>, report: ErrorReport): void {
  work.catch((error: unknown) => tell(report, error));
}

/** The clock, with callbacks that may throw. */
export function guardedClock(clock: Clock, report: ErrorReport): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    bootId: clock.bootId,
    after: (delayMs, callback) => clock.after(delayMs, () => attempt(callback, report)),
  };
}

/** Works again and again, `everyMs` after the end of the time before. The returned function ends it. */
export function repeat(
  clock: Clock,
  everyMs: number,
  work: () => void | Promise<void>,
  report: ErrorReport,
): () => void {
  let stopped = false;
  let cancel = () => {};
  const arm = () => {
    if (!stopped) cancel = clock.after(everyMs, () => inBackground(turn(), report));
  };
  const turn = async () => {
    try {
      await work();
    } finally {
      arm();
    }
  };
  arm();
  return () => {
    stopped = true;
    cancel();
  };
}

/** For bounds of a connection: real time, does not keep the process alive. The returned function cancels. */
export function later(delayMs: number, work: () => void, report: ErrorReport = warn): () => void {
  const timer = setTimeout(() => attempt(work, report), delayMs).unref();
  return () => clearTimeout(timer);
}

/** Real time, as `later`, again and again. */
export function always(everyMs: number, work: () => void, report: ErrorReport = warn): () => void {
  const timer = setInterval(() => attempt(work, report), everyMs).unref();
  return () => clearInterval(timer);
}

/** As soon as what runs now has ended, before anything else: a microtask. */
export const soon = (work: () => void, report: ErrorReport = warn): void => queueMicrotask(() => attempt(work, report));

/** When what runs now has ended with all that follows from it in microtasks, before anything else: what it had to say is said by then. */
export const atEndOfTurn = (work: () => void, report: ErrorReport = warn): void =>
  process.nextTick(() => attempt(work, report));

/** When the event loop has been round once, so that others had their turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function attempt(work: () => void, report: ErrorReport): void {
  try {
    work();
  } catch (error) {
    tell(report, error);
  }
}

/** A report that fails must not become an error of the process either. */
function tell(report: ErrorReport, error: unknown): void {
  try {
    report(error);
  } catch {
    warn(error);
  }
}

const warn: ErrorReport = (error) => process.emitWarning(error instanceof Error ? error : new Error(String(error)));
