/**
 * What goes out on one worker session: an ordered queue that the stream drains. Bounded: a worker that does not read is cut
 * off, because everything in the queue is level-triggered and comes again with its next session.
 */
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';

type Body = SessionResponse['body'];

export class SendQueue {
  readonly #items: Body[] = [];
  readonly #max: number;
  #wake: (() => void) | undefined;
  #ended: { readonly reason: Error | undefined } | undefined;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** False when the queue has ended or is full; a full queue ends. */
  push(body: Body): boolean {
    if (this.#ended !== undefined) return false;
    if (this.#items.length >= this.#max) {
      this.end(new Error('the worker does not read its session'));
      return false;
    }
    // A newer full set makes an older one that was not sent yet pointless.
    if (body.case === 'desiredSet') {
      const older = this.#items.findIndex((item) => item.case === 'desiredSet');
      if (older >= 0) this.#items.splice(older, 1);
    }
    this.#items.push(body);
    this.#wake?.();
    return true;
  }

  /** Ends the stream: with an error, or in good order once what is queued has gone out. */
  end(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    if (reason !== undefined) this.#items.length = 0;
    this.#wake?.();
  }

  async *drain(): AsyncGenerator<Body> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        yield item;
        continue;
      }
      if (this.#ended !== undefined) {
        if (this.#ended.reason !== undefined) throw this.#ended.reason;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
