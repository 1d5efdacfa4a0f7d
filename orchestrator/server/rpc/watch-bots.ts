/** BotService.WatchBots: the events of a user's bots as messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { madeOnce } from '#common/made-once.ts';
import { refuse, unwrap } from '#common/problem.ts';
import {
  BotsSnapshotSchema,
  type WatchBotsRequest,
  WatchBotsResponseSchema,
} from '#gen/botrunner/v1/bot_service_pb.js';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import { type BotEventsDeps, type BotEventsItem, lastMax, watchBotEvents } from '../../events/bot-events.ts';
import type { BotsSnapshot } from '../../events/bots-snapshots.ts';
import { resumePoint } from '../../events/resume-point.ts';
import type { LiveEvent } from '../../views/event.ts';
import { botToProto } from '../../views/proto.ts';
import { encodeFrame } from './frames.ts';
import type { OwnStream } from './own-stream.ts';

/** What goes to many is encoded once. What it returns ends with the stream. */
export function createWatchBots(deps: BotEventsDeps) {
  const formOf = (binary: boolean) => {
    const encode = (response: MessageInitShape<typeof WatchBotsResponseSchema>) =>
      encodeFrame(WatchBotsResponseSchema, create(WatchBotsResponseSchema, response), binary);
    return {
      event: madeOnce((event: LiveEvent) =>
        encode({
          update: { case: 'event', value: event.message() },
          resumeFrom: resumePoint(deps.storeId, event.record.seq),
        }),
      ),
      snapshot: madeOnce(({ bots, reason, resumeFrom }: BotsSnapshot) => {
        const value = create(BotsSnapshotSchema, { bots: bots.map(botToProto), reason });
        return encode({ update: { case: 'snapshot', value }, resumeFrom });
      }),
      mark: (resumeFrom: string) => encode({ resumeFrom }),
    };
  };
  const [protobuf, json] = [formOf(true), formOf(false)];
  return async function watchBots(userId: string, request: WatchBotsRequest, stream: OwnStream): Promise<void> {
    const { resumeFrom, last, includeJobs, untilNow } = request;
    const botId = request.botId === '' ? '' : unwrap(parseBotId(request.botId));
    if (last < 0 || last > lastMax) {
      refuse('INVALID_LINES', `last takes a number from 0 to ${lastMax}.`, { details: { field: 'last' } });
    }
    const query = { userId, botId, resumeFrom, last, includeJobs, untilNow };
    const { binary, signal, write } = stream;
    const form = binary ? protobuf : json;
    /** What was taken last, while it is on its way to a reader that is slow. */
    let slow: Promise<boolean> | undefined;
    const take = (event: LiveEvent): boolean => {
      if (slow !== undefined) return false;
      const more = write(form.event(event));
      if (typeof more === 'boolean') return more;
      slow = more.then((isThere) => {
        slow = undefined;
        return isThere;
      });
      return true;
    };
    for await (const item of watchBotEvents(deps, query, signal, take)) {
      if (slow !== undefined && !(await slow)) return;
      const more = write(frameOf(form, item));
      if (more !== true && !(await more)) return;
    }
  };
}

interface Form {
  readonly event: (event: LiveEvent) => Uint8Array;
  readonly snapshot: (snapshot: BotsSnapshot) => Uint8Array;
  readonly mark: (resumeFrom: string) => Uint8Array;
}

function frameOf(form: Form, item: BotEventsItem): Uint8Array {
  switch (item.kind) {
    case 'event':
      return form.event(item.event);
    case 'snapshot':
      return form.snapshot(item);
    case 'mark':
      return form.mark(item.resumeFrom);
  }
}
