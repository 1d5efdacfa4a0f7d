/** Events of the user's bots. When they are followed, a stream that broke continues right after the last message. */
import { BotService, type WatchBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Client } from './client.ts';
import { type FollowContext, followStream } from './follow-stream.ts';

export interface EventsRequest {
  /** Empty: of all bots. */
  readonly botId: string;
  readonly last: number;
  readonly follow: boolean;
  /** Empty: begin with the last ones. */
  readonly resumeFrom: string;
}

const wholeTimeoutMs = 60_000;

/** Throws the signal's reason or the call's error. With follow it ends only so. */
export async function* streamEvents(
  client: Client,
  { botId, last, follow, resumeFrom: from }: EventsRequest,
  context: FollowContext,
): AsyncGenerator<WatchBotsResponse> {
  let resumeFrom = from;
  const messages = followStream(
    (options) =>
      client.for(BotService).watchBots({ botId, last, resumeFrom, includeJobs: true, untilNow: !follow }, options),
    { follow, wholeTimeoutMs, endless: true },
    context,
  );
  for await (const message of messages) {
    yield message;
    resumeFrom = message.resumeFrom || resumeFrom;
  }
}
