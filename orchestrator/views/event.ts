/** An event as it goes out: as a message of botrunner.v1 and as JSON. Each form is made once, however many read it. */
import { create } from '@bufbuild/protobuf';
import type { JsonObject } from '#common/json.ts';
import {
  type Event,
  EventSchema,
  WorkerCondition,
  type WorkerStatus as WorkerStatusMessage,
  WorkerStatusSchema,
} from '#gen/botrunner/v1/event_pb.js';
import type { EventBody, EventRecord, ShownBot, WorkerStatus } from '../core/records.ts';
import { botToJson } from './bot-json.ts';
import type { BotView } from './bot-view.ts';
import { jobToJson } from './job-json.ts';
import { botToProto, jobToProto } from './proto.ts';
import { rfc3339, timestamp } from './time.ts';

export interface LiveEvent {
  readonly record: EventRecord;
  message(): Event;
  /** Compact, without a line end. */
  json(): string;
}

/** How a worker runs bots: docker, process, rest; empty while unknown. */
export type RuntimeOf = (workerId: string) => string;

const conditions: Readonly<Record<WorkerStatus['condition'], WorkerCondition>> = {
  ready: WorkerCondition.READY,
  not_ready: WorkerCondition.NOT_READY,
  silent: WorkerCondition.SILENT,
};

export function createLiveEvent(record: EventRecord, runtimeOf: RuntimeOf): LiveEvent {
  let message: Event | undefined;
  let json: string | undefined;
  return {
    record,
    message: () => {
      message ??= toMessage(record, runtimeOf);
      return message;
    },
    json: () => {
      json ??= JSON.stringify(toJson(record, runtimeOf));
      return json;
    },
  };
}

/** The bot as it was then, not as it is now. */
const viewOf = (bot: ShownBot, runtimeOf: RuntimeOf): BotView => ({
  bot,
  state: bot.state,
  runtime: bot.workerId === null ? '' : runtimeOf(bot.workerId),
});

const workerToMessage = ({ condition, ...rest }: WorkerStatus): WorkerStatusMessage =>
  create(WorkerStatusSchema, { ...rest, condition: conditions[condition] });

function subjectOf(body: EventBody, runtimeOf: RuntimeOf): Event['subject'] {
  switch (body.kind) {
    case 'bot':
      return { case: 'bot', value: botToProto(viewOf(body.bot, runtimeOf)) };
    case 'job':
      return { case: 'job', value: jobToProto(body.job) };
    case 'worker':
      return { case: 'worker', value: workerToMessage(body.worker) };
  }
}

function toMessage(record: EventRecord, runtimeOf: RuntimeOf): Event {
  const { body } = record;
  return create(EventSchema, {
    eventId: record.eventId,
    seq: BigInt(record.seq),
    botSeq: BigInt(record.botSeq),
    userId: record.userId,
    botId: record.botId,
    ...timestamp('time', record.at),
    subject: subjectOf(body, runtimeOf),
    ...(body.kind === 'bot' && body.notice ? { notice: body.notice } : {}),
    deleted: body.kind === 'bot' && body.deleted === true,
  });
}

export function workerStatusToJson(worker: WorkerStatus): JsonObject {
  const { workerId, condition, reason, cordoned, runtime, version, engineVersion } = worker;
  return { worker_id: workerId, condition, reason, cordoned, runtime, version, engine_version: engineVersion };
}

function toJson(record: EventRecord, runtimeOf: RuntimeOf): JsonObject {
  const { body } = record;
  const head = {
    event_id: record.eventId,
    seq: record.seq,
    time: rfc3339(record.at),
    kind: body.kind,
  };
  switch (body.kind) {
    case 'bot':
      return {
        ...head,
        user_id: record.userId,
        bot_id: record.botId,
        bot_seq: record.botSeq,
        bot: botToJson(viewOf(body.bot, runtimeOf)),
        ...(body.notice ? { notice: { code: body.notice.code, message: body.notice.message } } : {}),
        ...(body.deleted ? { deleted: true } : {}),
      };
    case 'job':
      return {
        ...head,
        user_id: record.userId,
        bot_id: record.botId,
        job: { ...jobToJson(body.job), action: body.job.action },
      };
    case 'worker':
      return { ...head, worker: workerStatusToJson(body.worker) };
  }
}
