/** A bot's log as batches of lines. When it is followed, it goes on after the last line once a broken stream is back. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { type Clock, sleep } from '#common/clock.ts';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { backoffMs } from './backoff.ts';
import type { Client } from './client.ts';
import { isBrokenStream } from './errors.ts';

export interface LogRequest {
  readonly botId: string;
  /** 0 with since: all. */
  readonly lines: number;
  readonly follow: boolean;
  readonly afterCursor?: string;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  readonly grep?: string;
  readonly buildOnly?: boolean;
}

/** Some lines, and where to go on after them. */
export interface LogPart {
  readonly entries: readonly LogEntry[];
  readonly cursor: string;
}

export interface LogContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** The stream broke; called once until lines come again. */
  readonly onBroken: () => void;
}

/** Without follow: how long the whole log may take. 10000 lines are a few MB. */
const wholeTimeoutMs = 120_000;
/** With follow: how long the orchestrator or the worker may be away before this gives up. */
const awayMaxMs = 10 * 60_000;

/** Throws the signal's reason or the call's error. Ends when the log is over: without follow, or when the bot is deleted. */
export async function* streamLogs(
  client: Client,
  request: LogRequest,
  { clock, random, signal, onBroken }: LogContext,
): AsyncGenerator<LogPart> {
  const { follow, since, until, ...rest } = request;
  const times = { ...(since && { since }), ...(until && { until }) };
  let { afterCursor = '' } = request;
  let failures = 0;
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      const options = follow ? { signal } : { signal, timeoutMs: wholeTimeoutMs };
      for await (const { entries, cursor } of client.bots.streamLogs(
        { ...rest, ...times, follow, afterCursor },
        options,
      )) {
        failures = 0;
        awaySinceMs = undefined;
        // Without lines too: what the request leaves out need not be looked at again.
        const next = cursor || entries.at(-1)?.cursor || afterCursor;
        yield { entries, cursor: next };
        afterCursor = next;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!follow || !isBrokenStream(error)) throw error;
      const nowMs = clock.monotonicMs();
      if (awaySinceMs === undefined) onBroken();
      awaySinceMs ??= nowMs;
      if (nowMs - awaySinceMs > awayMaxMs) throw error;
    }
    await sleep(clock, backoffMs(failures++, random()), signal);
  }
}
