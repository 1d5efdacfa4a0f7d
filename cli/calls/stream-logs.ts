/** A bot's log as batches of lines. When it is followed, it continues after the last line once a broken stream is back. */

import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type { Client } from './client.ts';
import { type FollowContext, followStream } from './follow-stream.ts';

export interface LogWish {
  readonly botId: string;
  /** 0 with since: all. Ignored with newOnly. */
  readonly lines: number;
  /** None of the lines that are there: only those that come. */
  readonly newOnly?: boolean;
  readonly follow: boolean;
  readonly afterCursor?: string;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  /** So long before now, ms; goes before since and until, which say the same by this machine's clock for older orchestrators. */
  readonly sinceAgoMs?: number | undefined;
  readonly untilAgoMs?: number | undefined;
  readonly grep?: string;
  readonly buildOnly?: boolean;
}

/** Some lines, and where to continue after them. */
export interface LogLines {
  readonly entries: readonly LogEntry[];
  readonly cursor: string;
}

// 10000 lines are a few MB.
const wholeTimeoutMs = 120_000;

/** Throws the signal's reason or the call's error. Ends when the log is over: without follow, or when the bot is deleted. */
export async function* streamLogs(client: Client, request: LogWish, context: FollowContext): AsyncGenerator<LogLines> {
  const { follow, since, until, sinceAgoMs, untilAgoMs, newOnly = false, ...rest } = request;
  let { afterCursor = '' } = request;
  const beganMs = context.clock.monotonicMs();
  // What lay so long in the past when it was asked lies further back when the stream is opened again.
  const ago = (ms: number) => BigInt(Math.round(ms + context.clock.monotonicMs() - beganMs));
  const asked = () => ({
    ...rest,
    ...(since && { since }),
    ...(until && { until }),
    ...(sinceAgoMs === undefined ? {} : { sinceAgoMs: ago(sinceAgoMs) }),
    ...(untilAgoMs === undefined ? {} : { untilAgoMs: ago(untilAgoMs) }),
    follow,
  });
  // Also `since`, by this machine's clock, for an orchestrator of 0.1.0, which knows nothing else.
  const beganWallMs = Math.round(context.clock.wallMs());
  const fromNow = () => ({ lines: 0, sinceAgoMs: ago(0), since: timestampFromMs(beganWallMs) });
  const messages = followStream(
    (options) => client.for(BotService).streamLogs({ ...asked(), ...(newOnly ? fromNow() : {}), afterCursor }, options),
    { follow, wholeTimeoutMs, endless: false },
    context,
  );
  for await (const { entries, cursor } of messages) {
    // Without lines too: what the request leaves out need not be looked at again.
    const next = cursor || entries.at(-1)?.cursor || afterCursor;
    yield { entries, cursor: next };
    afterCursor = next;
  }
}
