/** Events of the user's bots. When they are followed, a stream that broke goes on right after the last message. */
import { type Clock, sleep } from '#common/clock.ts';
import type { WatchBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import { backoffMs } from './backoff.ts';
import type { Client } from './client.ts';
import { isBrokenStream } from './errors.ts';

export interface EventsRequest {
  /** Empty: of all bots. */
  readonly botId: string;
  readonly last: number;
  readonly follow: boolean;
  /** Empty: begin with the last ones. */
  readonly resumeFrom: string;
}

export interface EventsContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** The stream broke; called once until messages come again. */
  readonly onBroken: () => void;
}

/** Without follow: how long all of it may take. */
const wholeTimeoutMs = 60_000;
/** With follow: how long the orchestrator may be away before this gives up. */
const awayMaxMs = 10 * 60_000;

/** Throws the signal's reason or the call's error. With follow it ends only so. */
export async function* streamEvents(
  client: Client,
  { botId, last, follow, resumeFrom: from }: EventsRequest,
  { clock, random, signal, onBroken }: EventsContext,
): AsyncGenerator<WatchBotsResponse> {
  let resumeFrom = from;
  let failures = 0;
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      const request = { botId, last, resumeFrom, includeJobs: true, untilNow: !follow };
      const options = follow ? { signal } : { signal, timeoutMs: wholeTimeoutMs };
      for await (const message of client.bots.watchBots(request, options)) {
        failures = 0;
        awaySinceMs = undefined;
        yield message;
        resumeFrom = message.resumeFrom || resumeFrom;
      }
      if (!follow) return;
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
