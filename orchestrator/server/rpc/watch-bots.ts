/** BotService.WatchBots: the events of a user's bots as messages. */
import { create } from '@bufbuild/protobuf';
import { refuse, unwrap } from '#common/problem.ts';
import {
  BotsSnapshotSchema,
  type WatchBotsRequest,
  type WatchBotsResponse,
  WatchBotsResponseSchema,
} from '#gen/botrunner/v1/bot_service_pb.js';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import { type BotEventsDeps, type BotEventsItem, lastMax, watchBotEvents } from '../../events/bot-events.ts';
import { botToProto } from '../../views/proto.ts';

export async function* watchBots(
  deps: BotEventsDeps,
  userId: string,
  request: WatchBotsRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchBotsResponse> {
  const { resumeFrom, last, includeJobs, untilNow } = request;
  const botId = request.botId === '' ? '' : unwrap(parseBotId(request.botId));
  if (last < 0 || last > lastMax) {
    refuse('INVALID_LINES', `last takes a number from 0 to ${lastMax}.`, { details: { field: 'last' } });
  }
  const query = { userId, botId, resumeFrom, last, includeJobs, untilNow };
  for await (const item of watchBotEvents(deps, query, signal)) {
    yield create(WatchBotsResponseSchema, { update: updateOf(item), resumeFrom: item.resumeFrom });
  }
}

function updateOf(item: BotEventsItem): WatchBotsResponse['update'] {
  switch (item.kind) {
    case 'event':
      return { case: 'event', value: item.event.message() };
    case 'snapshot':
      return {
        case: 'snapshot',
        value: create(BotsSnapshotSchema, { bots: item.bots.map(botToProto), reason: item.reason }),
      };
    case 'mark':
      return { case: undefined };
  }
}
