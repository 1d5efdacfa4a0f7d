/**
 * What people wrote to one bot and the bot has not confirmed yet, with Telegram's rule for polling:
 * 1. an update is handed out until a poll asks for a higher offset, so a bot that dies loses none;
 * 2. one poll waits at a time: a newer one ends the older with a conflict (HTTP 409), which is how two running copies of
 *    a bot show themselves.
 */
import type { Clock } from '#common/clock.ts';
import type { TelegramUpdate } from './bot-api.ts';

export interface PollRequest {
  /** First update wanted; below it all are confirmed. Negative: counted from the end. 0: from the oldest. */
  readonly offset: number;
  readonly limit: number;
  /** How long to wait when there is nothing yet, in ms. */
  readonly waitMs: number;
}

export type PollResult = readonly TelegramUpdate[] | 'conflict';

/** More than any test writes; beyond it the fake refuses instead of growing. */
const pendingMax = 1000;

export class UpdateQueue {
  readonly #clock: Clock;
  #pending: TelegramUpdate[] = [];
  #waiting: ((why: 'conflict' | 'look') => void) | undefined;
  #nextId = 1;
  #conflicts = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Updates not confirmed yet. */
  get pending(): number {
    return this.#pending.length;
  }

  /** How many polls were ended because a newer one came. */
  get conflicts(): number {
    return this.#conflicts;
  }

  get hasWaitingPoll(): boolean {
    return this.#waiting !== undefined;
  }

  push(message: TelegramUpdate['message']): void {
    if (this.#pending.length >= pendingMax) throw new Error(`the bot left ${pendingMax} updates unread`);
    this.#pending.push({ update_id: this.#nextId++, message });
    this.#waiting?.('look');
  }

  clear(): void {
    this.#pending = [];
  }

  async poll(request: PollRequest, signal: AbortSignal): Promise<PollResult> {
    if (this.#waiting) {
      this.#conflicts++;
      this.#waiting('conflict');
    }
    this.#confirm(request.offset);
    if (this.#pending.length === 0 && request.waitMs > 0) {
      if ((await this.#wait(request.waitMs, signal)) === 'conflict') return 'conflict';
    }
    return this.#pending.slice(0, request.limit);
  }

  #confirm(offset: number): void {
    this.#pending =
      offset < 0 ? this.#pending.slice(offset) : this.#pending.filter((update) => update.update_id >= offset);
  }

  /** Ends at the first update, at the time limit, when the client has gone, or with a conflict. */
  #wait(waitMs: number, signal: AbortSignal): Promise<'conflict' | 'look'> {
    return new Promise((resolve) => {
      const end = (why: 'conflict' | 'look') => {
        if (this.#waiting === end) this.#waiting = undefined;
        cancelTimer();
        signal.removeEventListener('abort', onAbort);
        resolve(why);
      };
      const onAbort = () => end('look');
      const cancelTimer = this.#clock.after(waitMs, () => end('look'));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting = end;
      if (signal.aborted) end('look');
    });
  }
}
