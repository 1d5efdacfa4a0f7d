/**
 * What goes out on one worker session, in order: at the end of the turn in which it was pushed, all of it together, or when the stream takes
 * more again. Bounded: a worker that does not read is cut off, because everything in the queue is level-triggered and comes again with its
 * next session. A session that is idle holds no promise but that of its end.
 */
import { atEndOfTurn } from '#common/background.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';

type Body = SessionResponse['body'];

// They have left the queue, and can no longer be replaced by a newer set.
const togetherMax = 64;

/** Takes the next ones, which go out together. False: there is nobody to take any more; a promise while that is slow. */
export type TakeBodies = (together: readonly Body[]) => boolean | Promise<boolean>;

interface Reader {
  readonly take: TakeBodies;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SendQueue {
  readonly #max: number;
  /** Bodies that wait for the reader. */
  #waiting: Body[] = [];
  #reader: Reader | undefined;
  /** The reader has not finished with the last ones. */
  #isBusy = false;
  #isDue = false;
  #ended: { readonly reason: Error | undefined } | undefined;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** False when the queue has ended or is full; a full queue ends. */
  push(body: Body): boolean {
    if (this.#ended !== undefined) return false;
    // A newer full set makes an older one that was not sent yet pointless, and what has changed of it.
    if (body.case === 'desiredSet' && this.#waiting.length > 0) {
      this.#waiting = this.#waiting.filter((item) => item.case !== 'desiredSet' && item.case !== 'desiredChanges');
    }
    if (this.#waiting.length >= this.#max) {
      this.end(new Error('the worker is not reading its session'));
      return false;
    }
    this.#waiting.push(body);
    this.#sendSoon();
    return true;
  }

  /** Ends the stream: with an error, or cleanly once what is queued has gone out. The first end counts. */
  end(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    if (reason === undefined) this.#send();
    else {
      this.#waiting = [];
      this.#reader?.reject(reason);
    }
  }

  /**
   * For one reader. Resolves when the queue has ended cleanly and all of it is taken, or when there is nobody to take it; rejects with
   * the error that it ended with, or with what `take` throws.
   */
  deliver(take: TakeBodies): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended?.reason !== undefined) {
        reject(this.#ended.reason);
        return;
      }
      this.#reader = { take, resolve, reject };
      this.#send();
    });
  }

  /** The same for one reader that asks for them. */
  async *drain(): AsyncGenerator<readonly Body[], void, undefined> {
    const bell = new Bell();
    let next: { readonly bodies: readonly Body[]; readonly taken: (isThere: boolean) => void } | undefined;
    let isOver = false;
    const over = () => {
      isOver = true;
      bell.ring();
    };
    const delivered = this.deliver((bodies) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      next = { bodies, taken: resolve };
      bell.ring();
      return promise;
    });
    delivered.then(over, over);
    while (!isOver) {
      if (next === undefined) await bell.wait();
      else {
        const { bodies, taken } = next;
        next = undefined;
        yield bodies;
        taken(true);
      }
    }
    await delivered;
  }

  #sendSoon(): void {
    if (this.#isDue || this.#isBusy || this.#reader === undefined) return;
    this.#isDue = true;
    atEndOfTurn(() => {
      this.#isDue = false;
      this.#send();
    });
  }

  #send(): void {
    const reader = this.#reader;
    if (reader === undefined || this.#isBusy) return;
    this.#isBusy = true;
    try {
      // What is pushed meanwhile is behind them.
      while (this.#waiting.length > 0) {
        const more = reader.take(this.#waiting.splice(0, togetherMax));
        if (more === true) continue;
        if (more === false) reader.resolve();
        else more.then((isThere) => (isThere ? this.#sendOn() : reader.resolve()), reader.reject);
        return;
      }
      this.#isBusy = false;
      if (this.#ended !== undefined) reader.resolve();
    } catch (error) {
      reader.reject(error);
    }
  }

  #sendOn(): void {
    this.#isBusy = false;
    this.#send();
  }
}
