/** What workers report, applied in the caller's transaction. A worker may only speak of bots placed on it. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord, BotStateName, Observed } from '../core/records.ts';
import { stateFromProto } from '../views/proto.ts';
import type { Change } from './change.ts';

const ms = (time: Timestamp | undefined): number | undefined => (time === undefined ? undefined : timestampMs(time));

function toObserved(report: BotObservation): Observed {
  const startedAt = ms(report.startedAt);
  const finishedAt = ms(report.finishedAt);
  const nextTryAt = ms(report.nextTryAt);
  return {
    ...(report.generation > 0n ? { generation: Number(report.generation) } : {}),
    ...(report.revision > 0n ? { revision: Number(report.revision) } : {}),
    ...(report.containerId ? { containerId: report.containerId } : {}),
    ...(report.containerName ? { containerName: report.containerName } : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(report.exitCode === undefined ? {} : { exitCode: report.exitCode }),
    ...(report.oomKilled ? { oomKilled: true } : {}),
    ...(report.restarts > 0 ? { restarts: report.restarts } : {}),
    ...(nextTryAt === undefined ? {} : { nextTryAt }),
    ...(report.pinned ? { pinned: report.pinned.slice(0, 300) } : {}),
    ...(report.reason ? { reason: report.reason.slice(0, 500) } : {}),
    ...(report.diagnosis ? { diagnosis: report.diagnosis.slice(0, 500) } : {}),
  };
}

/** The state to record. Some reports say less than is known already. */
function nextState(bot: BotRecord, reported: BotStateName, observed: Observed): BotStateName {
  // "No container" is how a bot that never ran looks from its worker; that it failed is the better answer.
  if (reported === 'stopped' && bot.state === 'failed' && bot.desired === 'stopped') return 'failed';
  // The worker has not begun with the newest decision yet.
  if (reported === 'stopped' && bot.desired === 'running' && observed.containerId === undefined) return bot.state;
  return reported;
}

const same = (a: Observed, b: Observed): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * Applies one report. Returns the bot as it is now, or undefined when the report is not this worker's to make: the bot is
 * unknown, placed elsewhere, or the report is of an older placement.
 */
export function applyObservation(change: Change, workerId: string, report: BotObservation): BotRecord | undefined {
  const bot = change.tx.bots.get(report);
  if (bot === undefined || bot.workerId !== workerId || Number(report.epoch) < bot.epoch) return undefined;
  const reported = stateFromProto(report.state);
  if (reported === undefined) return bot;
  const observed = toObserved(report);
  const state = nextState(bot, reported, observed);
  // The cause of a failed start is told once, with the failure; later reports of "nothing there" do not erase it.
  const kept = state === 'failed' && bot.state === 'failed' && observed.reason === undefined ? bot.observed : observed;
  const observedAt = ms(report.observedAt) ?? change.now;
  const next: BotRecord = { ...bot, state, observed: kept, observedAt };
  if (state === bot.state && same(kept, bot.observed)) {
    // Nothing new but the time: worth a row, not an event.
    change.tx.bots.put(next);
    return next;
  }
  return change.putBot(next);
}
