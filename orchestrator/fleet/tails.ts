/**
 * Log tails: a reader asks, the bot's worker is told on its session to open a stream of its own, and the two are joined.
 * Backpressure is the transport's: the reader pulls, so a stalled reader stalls only its own stream.
 */
import { ulid } from 'ulid';
import { type Clock, sleep } from '#common/clock.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type { TailLogsRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord } from '../core/records.ts';
import type { FleetPort } from '../engine/context.ts';

export interface TailQuery {
  readonly lines: number;
  readonly follow: boolean;
  readonly afterCursor: string;
}

interface Waiting {
  readonly attach: (stream: AsyncIterator<TailLogsRequest>) => void;
  /** Resolves when the reader is done with the stream. */
  readonly over: Promise<void>;
  readonly workerId: string;
}

// A worker answers within milliseconds; one that does not within this time is treated as not connected.
const openTimeoutMs = 10_000;

export class Tails {
  readonly #fleet: FleetPort;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(fleet: FleetPort, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  /** The log as batches. Throws ProblemError UNAVAILABLE when the worker is away or goes away while following. */
  async *read(bot: BotRecord, query: TailQuery, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    if (bot.workerId === null) {
      // Nothing can have been printed yet; a follower asks again until the bot has a worker.
      if (query.follow) throw new ProblemError(problem('UNAVAILABLE', 'The bot has no worker yet.'));
      return;
    }
    const tailId = ulid();
    const opened = Promise.withResolvers<AsyncIterator<TailLogsRequest>>();
    const over = Promise.withResolvers<void>();
    this.#waiting.set(tailId, { attach: opened.resolve, over: over.promise, workerId: bot.workerId });
    try {
      const sent = this.#fleet.send(bot.workerId, {
        case: 'openTail',
        value: { $typeName: 'botrunner.v1.OpenTail', tailId, userId: bot.userId, botId: bot.botId, ...query },
      });
      if (!sent) throw away(bot.workerId);
      const stream = await this.#bounded(opened.promise, bot.workerId, signal);
      yield* entriesOf(stream, bot.workerId, signal);
    } finally {
      this.#waiting.delete(tailId);
      over.resolve();
    }
  }

  async #bounded<T>(wanted: Promise<T>, workerId: string, signal: AbortSignal): Promise<T> {
    const timer = new AbortController();
    const timeout = sleep(this.#clock, openTimeoutMs, AbortSignal.any([timer.signal, signal])).then(() => {
      throw away(workerId);
    });
    try {
      return await Promise.race([wanted, timeout]);
    } finally {
      timer.abort();
      // Its rejection is either the one thrown above or the abort just made.
      timeout.catch(() => undefined);
    }
  }

  /** Serves a worker's TailLogs call: joins it to the reader that asked, and returns when the reader is done. */
  async serve(requests: AsyncIterable<TailLogsRequest>, signal: AbortSignal): Promise<void> {
    const stream = requests[Symbol.asyncIterator]();
    const first = await stream.next();
    const tailId = first.done ? '' : first.value.tailId;
    const waiting = this.#waiting.get(tailId);
    // Its reader has gone already: not an error, the worker just ends the tail.
    if (waiting === undefined) return;
    this.#waiting.delete(tailId);
    let firstMessage: TailLogsRequest | undefined = first.done ? undefined : first.value;
    waiting.attach({
      next: async () => {
        const value = firstMessage;
        if (value === undefined) return stream.next();
        firstMessage = undefined;
        return { done: false, value };
      },
    });
    const gone = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => gone.resolve(), { once: true });
    await Promise.race([waiting.over, gone.promise]);
  }
}

async function* entriesOf(
  stream: AsyncIterator<TailLogsRequest>,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly LogEntry[]> {
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      const next = await Promise.race([stream.next(), aborted.promise]);
      if (next === undefined || signal.aborted) return;
      if (next.done) return;
      if (next.value.error !== undefined) throw new ProblemError(problemFromProto(next.value.error));
      if (next.value.entries.length > 0) yield next.value.entries;
    }
  } catch (error) {
    throw error instanceof ProblemError ? error : away(workerId, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const away = (workerId: string, cause?: unknown): ProblemError =>
  new ProblemError(problem('UNAVAILABLE', `The worker ${workerId}, which has the log, is not connected.`), { cause });
