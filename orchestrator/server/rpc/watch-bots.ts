/** BotService.WatchBots: the events of a user's bots as messages. */
import { create } from '@bufbuild/protobuf';
import { madeOnce } from '#common/made-once.ts';
import { refuse, unwrap } from '#common/problem.ts';
import {
  BotsSnapshotSchema,
  type WatchBotsRequest,
  type WatchBotsResponse,
  WatchBotsResponseSchema,
} from '#gen/botrunner/v1/bot_service_pb.js';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import { type BotEventsDeps, type BotEventsItem, lastMax, watchBotEvents } from '../../events/bot-events.ts';
import { resumePoint } from '../../events/resume-point.ts';
import type { LiveEvent } from '../../views/event.ts';
import { botToProto } from '../../views/proto.ts';
import { encodeFrame, type OwnStream } from './own-stream.ts';

/** An event is encoded once, however many watch. What it returns ends with the stream. */
export function createWatchBots(deps: BotEventsDeps) {
  const frame = (item: BotEventsItem, binary: boolean) =>
    encodeFrame(WatchBotsResponseSchema, toResponse(item), binary);
  const eventFrame = (binary: boolean) =>
    madeOnce((event: LiveEvent) =>
      frame({ kind: 'event', event, resumeFrom: resumePoint(deps.storeId, event.record.seq) }, binary),
    );
  const [asProtobuf, asJson] = [eventFrame(true), eventFrame(false)];
  return async function watchBots(userId: string, request: WatchBotsRequest, stream: OwnStream): Promise<void> {
    const { resumeFrom, last, includeJobs, untilNow } = request;
    const botId = request.botId === '' ? '' : unwrap(parseBotId(request.botId));
    if (last < 0 || last > lastMax) {
      refuse('INVALID_LINES', `last takes a number from 0 to ${lastMax}.`, { details: { field: 'last' } });
    }
    const query = { userId, botId, resumeFrom, last, includeJobs, untilNow };
    const { binary, signal, write } = stream;
    for await (const item of watchBotEvents(deps, query, signal)) {
      const ofEvent = binary ? asProtobuf : asJson;
      const more = write(item.kind === 'event' ? ofEvent(item.event) : frame(item, binary));
      if (more !== true && !(await more)) return;
    }
  };
}

const toResponse = (item: BotEventsItem): WatchBotsResponse =>
  create(WatchBotsResponseSchema, { update: updateOf(item), resumeFrom: item.resumeFrom });

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
