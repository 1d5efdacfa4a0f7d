/**
 * What goes out on one worker session: an ordered queue that the stream drains. Bounded: a worker that does not read is cut
 * off, because everything in the queue is level-triggered and comes again with its next session.
 */
import { AsyncQueue } from '#common/waiting/async-queue.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';

type Body = SessionResponse['body'];

// They have left the queue, and can no longer be replaced by a newer set.
const togetherMax = 64;

export class SendQueue {
  readonly #queue: AsyncQueue<Body>;

  constructor(max = 10_000) {
    this.#queue = new AsyncQueue(max);
  }

  /** False when the queue has ended or is full; a full queue ends. */
  push(body: Body): boolean {
    // A newer full set makes an older one that was not sent yet pointless, and what has changed of it.
    if (body.case === 'desiredSet') {
      this.#queue.drop((item) => item.case === 'desiredSet' || item.case === 'desiredChanges');
    }
    if (this.#queue.push(body)) return true;
    this.end(new Error('the worker is not reading its session'));
    return false;
  }

  /** Ends the stream: with an error, or cleanly once what is queued has gone out. The first end counts. */
  end(reason?: Error): void {
    this.#queue.end(reason);
  }

  /** For the stream: what waits together goes out together. */
  drain(): AsyncGenerator<readonly Body[]> {
    return this.#queue.readTogether(togetherMax);
  }
}
