/**
 * Workers that wait for a task, and which of them is woken for one that any of them may take: one, so that what a task costs does
 * not grow with the number of those that wait.
 *
 * 1. Who is woken for a task and leaves without having looked for it, or with another one, passes it on: no task waits while somebody waits
 *    for it.
 * 2. Who has waited longest is woken first.
 */
import { Bell } from '#common/waiting/bell.ts';

/** One request for a task. */
export interface WaitingWorker {
  readonly bell: Bell;
  /** The types of tasks about no bot that it takes. */
  types: readonly string[];
  /** The type of the task that it was woken for and has not looked for since. */
  wokenFor: string | undefined;
  /** The same, since it has begun to look. */
  looksFor: string | undefined;
}

export class WaitingWorkers {
  readonly #waiting = new Set<WaitingWorker>();

  /** To be followed by `looks`. */
  join(): WaitingWorker {
    const waiting = { bell: new Bell(), types: [], wokenFor: undefined, looksFor: undefined };
    this.#waiting.add(waiting);
    return waiting;
  }

  /** It looks for tasks now, of these types by now. To be followed by `looked`, or by `leave` when it did not come to look. */
  looks(worker: WaitingWorker, types: readonly string[]): void {
    const { wokenFor } = worker;
    worker.types = types;
    worker.wokenFor = undefined;
    worker.looksFor = undefined;
    if (wokenFor === undefined) return;
    if (types.includes(wokenFor)) worker.looksFor = wokenFor;
    else this.offered(wokenFor);
  }

  /** It has found none, or leaves with a task of the type `taken`. */
  looked(worker: WaitingWorker, taken: string | undefined): void {
    if (taken === undefined || taken === worker.looksFor) worker.looksFor = undefined;
  }

  leave(worker: WaitingWorker): void {
    this.#waiting.delete(worker);
    for (const type of [worker.wokenFor, worker.looksFor]) if (type !== undefined) this.offered(type);
  }

  /** A task of this type is there for whoever takes it first. */
  offered(type: string): void {
    for (const worker of this.#waiting) {
      if (worker.wokenFor !== undefined || !worker.types.includes(type)) continue;
      worker.wokenFor = type;
      worker.bell.ring();
      return;
    }
  }

  /** There may be tasks again, of any type: all look. */
  wakeAll(): void {
    for (const { bell } of this.#waiting) bell.ring();
  }
}
