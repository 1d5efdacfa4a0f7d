/** Tasks with transient failures, and how long each waits before it is handed out again. In memory: a restart ends all pauses. */
import type { Clock } from '#common/clock.ts';
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';

const backoff: Backoff = { firstMs: 1000, mostMs: 30_000 };

interface Pause {
  readonly tries: number;
  /** While it waits. */
  readonly cancel: (() => void) | undefined;
}

export class TaskPauses {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  readonly #pauses = new Map<string, Pause>();

  /** `onOver`: a task may be handed out again. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  /** How often the task failed so far. */
  tries(taskId: string): number {
    return this.#pauses.get(taskId)?.tries ?? 0;
  }

  /** One more failure: 1 s, 2 s ... 30 s. `then` is called when the pause is over, before who waits for tasks is woken. */
  begin(taskId: string, then: () => void = () => undefined): void {
    const before = this.#pauses.get(taskId);
    before?.cancel?.();
    const tries = (before?.tries ?? 0) + 1;
    const cancel = this.#clock.after(backoffMs(backoff, tries), () => {
      this.#pauses.set(taskId, { tries, cancel: undefined });
      then();
      this.#onOver();
    });
    this.#pauses.set(taskId, { tries, cancel });
  }

  /** Ids of tasks that must not be handed out now. */
  waiting(): readonly string[] {
    return [...this.#pauses].filter(([, { cancel }]) => cancel !== undefined).map(([taskId]) => taskId);
  }

  /** The task has ended. */
  forget(taskId: string): void {
    this.#pauses.get(taskId)?.cancel?.();
    this.#pauses.delete(taskId);
  }

  stop(): void {
    for (const taskId of [...this.#pauses.keys()]) this.forget(taskId);
  }
}
