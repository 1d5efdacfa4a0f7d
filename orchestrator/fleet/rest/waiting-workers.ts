/**
 * Workers that wait for a task, and which of them is woken for one that any of them may take: one, so that what a task costs does
 * not grow with the number of those that wait.
 *
 * 1. Who is woken for a task and leaves without having looked for it since passes it on: no task waits while somebody waits for it.
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
}

export class WaitingWorkers {
  readonly #waiting = new Set<WaitingWorker>();

  /** To be followed by `looks`. */
  join(): WaitingWorker {
    const waiting = { bell: new Bell(), types: [], wokenFor: undefined };
    this.#waiting.add(waiting);
    return waiting;
  }

  /** It looks for tasks now, of these types by now. */
  looks(worker: WaitingWorker, types: readonly string[]): void {
    const { wokenFor } = worker;
    worker.types = types;
    worker.wokenFor = undefined;
    if (wokenFor !== undefined && !types.includes(wokenFor)) this.offered(wokenFor);
  }

  leave(worker: WaitingWorker): void {
    this.#waiting.delete(worker);
    if (worker.wokenFor !== undefined) this.offered(worker.wokenFor);
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
