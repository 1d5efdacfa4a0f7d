/** Which results of the journal went out in one session, and when: each goes out until it is acknowledged. */
import type { Clock } from '#common/clock.ts';
import type { TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Outbox } from './outbox.ts';
import type { ResultJournal } from './result-journal.ts';

type Results = Pick<ResultJournal, 'pending' | 'get' | 'acknowledge'>;

const resendMs = 10_000;

export class SentResults {
  readonly #journal: Results;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  /** Monotonic ms, by task. */
  readonly #sentAt = new Map<string, number>();

  constructor(journal: Results, outbox: Outbox, clock: Clock) {
    this.#journal = journal;
    this.#outbox = outbox;
    this.#clock = clock;
  }

  /** A result goes out, for the first time or once more. */
  queue(taskId: string): void {
    this.#sentAt.set(taskId, this.#clock.monotonicMs());
    this.#outbox.result(taskId);
  }

  /** The session has begun: all that no orchestrator has acknowledged. */
  queuePending(): void {
    for (const taskId of this.#journal.pending) this.queue(taskId);
  }

  /** The results that were sent long ago and have not been acknowledged. */
  resendOld(): void {
    const now = this.#clock.monotonicMs();
    for (const taskId of this.#journal.pending) {
      const sentAt = this.#sentAt.get(taskId);
      if (sentAt !== undefined && now - sentAt >= resendMs) this.queue(taskId);
    }
  }

  acknowledged(taskId: string): void {
    this.#journal.acknowledge(taskId);
    this.#sentAt.delete(taskId);
  }

  /** The result to send, if the journal still has it. */
  resultOf(taskId: string): TaskResult | undefined {
    return this.#journal.get(taskId);
  }
}
