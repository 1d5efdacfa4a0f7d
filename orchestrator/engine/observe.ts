/** What is seen of bots and workers, applied in the caller's transaction. A worker may only speak of bots placed on it. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { DiskUse, Protection } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import { observed } from '../core/bot/settled.ts';
import type { BotRecord, Observed, ObservedProtection, WorkerStatus } from '../core/records.ts';
import { shortName, shortReason, soundNumber, soundTime } from '../core/worker-words.ts';
import { diskKindFromProto, stateFromProto } from '../views/proto.ts';
import type { Change } from './change.ts';
import { confirm, isBackAsBefore } from './confirming.ts';
import type { EngineContext } from './context.ts';

const ms = (time: Timestamp | undefined): number | undefined => (time === undefined ? undefined : soundTime(time));

const pinnedLengthMax = 300;

function toObserved(report: BotObservation): Observed {
  const startedAt = ms(report.startedAt);
  const finishedAt = ms(report.finishedAt);
  const nextTryAt = ms(report.nextTryAt);
  return {
    ...(report.generation > 0n ? { generation: Number(report.generation) } : {}),
    ...(report.revision > 0n ? { revision: Number(report.revision) } : {}),
    ...(report.containerId ? { containerId: shortName(report.containerId) } : {}),
    ...(report.containerName ? { containerName: shortName(report.containerName) } : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(report.exitCode === undefined ? {} : { exitCode: report.exitCode }),
    ...(report.oomKilled ? { oomKilled: true } : {}),
    ...(report.restarts > 0 ? { restarts: report.restarts } : {}),
    ...(nextTryAt === undefined ? {} : { nextTryAt }),
    ...(report.pinned ? { pinned: report.pinned.slice(0, pinnedLengthMax) } : {}),
    ...(report.reason ? { reason: shortReason(report.reason) } : {}),
    ...(report.disk === undefined ? {} : { disk: toDisk(report.disk) }),
    ...(report.protection === undefined ? {} : { protection: toProtection(report.protection) }),
    ...(report.diagnosis ? { diagnosis: shortReason(report.diagnosis) } : {}),
  };
}

const toDisk = (disk: DiskUse) => ({
  dataBytes: soundNumber(disk.dataBytes),
  dataLimitBytes: soundNumber(disk.dataLimitBytes),
  layerBytes: soundNumber(disk.layerBytes),
  layerLimitBytes: soundNumber(disk.layerLimitBytes),
});

function toProtection({ readOnly, runtimeClass, user, disk }: Protection): ObservedProtection {
  const kind = diskKindFromProto(disk);
  return {
    readOnly,
    runtimeClass: shortName(runtimeClass),
    user: shortName(user),
    ...(kind === undefined ? {} : { disk: kind }),
  };
}

/**
 * Applies one report. Returns the bot as it is now, or undefined when the report is not this worker's to make: the bot is
 * unknown, placed elsewhere, or the report is of an older placement.
 */
export function applyObservation(change: Change, workerId: string, report: BotObservation): BotRecord | undefined {
  const bot = change.tx.bots.get(report);
  if (bot === undefined || bot.workerId !== workerId || Number(report.epoch) < bot.epoch) return undefined;
  const state = stateFromProto(report.state);
  // A state of a newer release.
  if (state === undefined) return bot;
  const observedAt = ms(report.observedAt) ?? change.now;
  const seen = observed(bot, workerId, {
    epoch: Number(report.epoch),
    state,
    observed: toObserved(report),
    observedAt,
  });
  if (seen === undefined) return undefined;
  // Nothing new but the time: worth a row, not an event.
  return seen.isNews ? change.putBot(seen.bot) : change.keepBot(seen.bot);
}

/** What a worker reports of its bots. */
export function observe(
  context: EngineContext,
  change: Change,
  workerId: string,
  reports: readonly BotObservation[],
): void {
  for (const report of reports) {
    const bot = change.tx.bots.get(report);
    if (bot === undefined || context.isHeld(bot)) continue;
    const now = applyObservation(change, workerId, report);
    if (now !== undefined && isBackAsBefore(now)) confirm(context, change, now);
  }
}

/** Publishes workers whose status has changed, and those of their bots that look different because of it. */
export function publishWorkers(context: EngineContext, change: Change, workers: readonly WorkerStatus[]): void {
  for (const worker of workers) {
    change.publishWorker(worker);
    for (const bot of change.tx.bots.ofWorker(worker.workerId)) {
      const last = change.tx.outbox.latestOfBot(bot)?.body;
      const published = last?.kind === 'bot' ? last.bot.state : undefined;
      // The state `unknown` is in no row: it was published, and is taken back, by an event alone.
      if (published !== undefined && published !== context.fleet.view(bot).state) change.putBot(bot);
    }
  }
}
