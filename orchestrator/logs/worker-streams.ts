/**
 * Streams of log lines from workers: one is asked for on the worker's session, the worker opens it, and it is joined to
 * the reader that asked. Backpressure is the transport's: a reader that does not pull stalls only its own stream.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ulid } from 'ulid';
import type { Clock } from '#common/clock.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { unlessAborted } from '#common/waiting/abort.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { OpenTailSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { shortProblem } from '../core/worker-words.ts';
import type { FleetPort } from '../engine/context.ts';
import type { TailMessage } from './log-batch.ts';

export type TailRequest = Omit<MessageInitShape<typeof OpenTailSchema>, 'tailId' | '$typeName'>;

interface Waiting {
  readonly attach: (stream: AsyncIterator<TailMessage>) => void;
  /** Resolves when the reader is done with the stream. */
  readonly over: Promise<void>;
  /** The only worker that may answer. */
  readonly workerId: string;
}

// A worker answers within milliseconds; one that does not within this time is treated as not connected.
const openTimeoutMs = 10_000;

export class WorkerStreams {
  readonly #fleet: Pick<FleetPort, 'send'>;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(fleet: Pick<FleetPort, 'send'>, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  /**
   * The worker's messages up to and with the one that has `end`. Throws ProblemError: the worker's refusal, or UNAVAILABLE
   * when it is away, goes away, or the stream is cut. Returns early when aborted.
   */
  async *open(workerId: string, request: TailRequest, signal: AbortSignal): AsyncGenerator<TailMessage> {
    const tailId = ulid();
    const opened = Promise.withResolvers<AsyncIterator<TailMessage>>();
    const over = Promise.withResolvers<void>();
    this.#waiting.set(tailId, { attach: opened.resolve, over: over.promise, workerId });
    try {
      const value = create(OpenTailSchema, { ...request, tailId });
      if (!this.#fleet.send(workerId, { case: 'openTail', value })) throw workerAway(workerId);
      const stream = await this.#bounded(opened.promise, workerId, signal);
      yield* messagesOf(stream, workerId, signal);
    } finally {
      this.#waiting.delete(tailId);
      over.resolve();
    }
  }

  async #bounded<T>(wanted: Promise<T>, workerId: string, signal: AbortSignal): Promise<T> {
    try {
      return await withTimeLimit(this.#clock, 'opening the stream', openTimeoutMs, signal, () => wanted);
    } catch (error) {
      throw error instanceof TimeLimitError ? workerAway(workerId) : error;
    }
  }

  /** Serves a worker's TailLogs call: joins it to the reader that asked, and returns when the reader is done. */
  async serve(requests: AsyncIterable<TailMessage>, signal: AbortSignal, workerId: string): Promise<void> {
    const stream = requests[Symbol.asyncIterator]();
    const first = await stream.next();
    const tailId = first.done ? '' : first.value.tailId;
    const waiting = this.#waiting.get(tailId);
    // Its reader has gone already: not an error, the worker just ends the tail. Another worker's tail does not exist for it.
    if (waiting?.workerId !== workerId) return;
    this.#waiting.delete(tailId);
    let firstMessage: TailMessage | undefined = first.done ? undefined : first.value;
    waiting.attach({
      next: async () => {
        const value = firstMessage;
        if (value === undefined) return stream.next();
        firstMessage = undefined;
        return { done: false, value };
      },
    });
    await unlessAborted(signal, waiting.over);
  }
}

async function* messagesOf(
  stream: AsyncIterator<TailMessage>,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<TailMessage> {
  try {
    for (;;) {
      const next = await unlessAborted(signal, stream.next());
      if (next === undefined || signal.aborted) return;
      if (next.done) throw new Error('the tail was cut');
      if (next.value.error !== undefined) throw new ProblemError(shortProblem(next.value.error));
      yield next.value;
      if (next.value.end !== undefined) return;
    }
  } catch (error) {
    throw error instanceof ProblemError ? error : workerAway(workerId, error);
  }
}

export const workerAway = (workerId: string, cause?: unknown): ProblemError =>
  new ProblemError(problem('UNAVAILABLE', `The worker ${workerId}, which has the log, is not connected.`), { cause });
