/** Commands to workers: each states what should be, with the task it serves. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Secret } from '#common/secret.ts';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { type Ensure, EnsureSchema, type StoreMoment } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord, JobRecord, Leftover } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import type { Reading } from '../store/tables.ts';
import { desiredToProto } from '../views/proto.ts';
import type { Change, CommitEffect } from './change.ts';
import type { EngineContext } from './context.ts';
import { openSoundSpec } from './specs.ts';

/** The task that a command serves. */
export interface TaskCommand {
  readonly taskId: string;
  /** Undefined for a decision that stands until it is carried out. */
  readonly deadline?: {
    /** By the wall clock as it stands now. */
    readonly at: number;
    /** What is left until then, ms. */
    readonly remainingMs: number;
  };
  /** The bot's process starts afresh, whatever runs already. */
  readonly restart: boolean;
  /** Between building and starting the worker asks for the Telegram tokens. */
  readonly takeover: boolean;
}

export const taskCommand = (taskId: string, job: JobRecord, remainingMs: number): TaskCommand => ({
  taskId,
  deadline: { at: job.deadlineAt, remainingMs },
  restart: job.action === 'restart',
  takeover: takesOver(job),
});

/** The command for a bot's worker. `task` is the task it serves, if any. A bot that leaves should be stopped there. */
export function toEnsure(
  key: Secret<Uint8Array>,
  bot: BotRecord,
  task: TaskCommand | undefined,
  stopGraceMs: number,
  decided?: StoreMoment | undefined,
): Ensure {
  const desired = bot.leaving && bot.desired === 'running' ? 'stopped' : bot.desired;
  // Without a spec its worker leaves what runs as it is, and starts nothing new.
  const kept = openSoundSpec(key, bot, bot.specSealed);
  const spec = desired === 'running' && kept !== undefined ? { ...kept, envOrigins: {} } : undefined;
  return create(EnsureSchema, {
    taskId: task?.taskId ?? '',
    userId: bot.userId,
    botId: bot.botId,
    generation: BigInt(bot.generation),
    epoch: BigInt(bot.epoch),
    desired: desiredToProto[desired],
    revision: BigInt(bot.revision),
    ...(spec === undefined ? {} : { spec }),
    stopGraceMs: kept?.limits?.stopGraceMs || stopGraceMs,
    restart: desired === 'running' && task?.restart === true,
    claimTokens: desired === 'running' && task?.takeover === true,
    purge: bot.desired === 'removed' && bot.purge,
    ...(decided ? { decided } : {}),
    ...(task?.deadline === undefined
      ? {}
      : {
          deadlineAt: timestampFromMs(task.deadline.at),
          remainingMs: BigInt(Math.max(0, Math.ceil(task.deadline.remainingMs))),
        }),
  });
}

/** Gives the commands among what a change does after its commit the version of what their worker should do; at the end of the change. */
export function stampCommands({ desires }: Pick<Reading, 'desires'>, effects: CommitEffect[]): void {
  for (const [at, effect] of effects.entries()) {
    if (effect.kind !== 'send' || effect.body.case !== 'ensure') continue;
    const value = { ...effect.body.value, desiredVersion: BigInt(desires.version(effect.workerId)) };
    effects[at] = { ...effect, body: { case: 'ensure', value } };
  }
}

/** The command that makes a worker remove what it has of a bot not placed there. */
export const toRemoval = (leftover: Leftover, stopGraceMs: number): Ensure =>
  create(EnsureSchema, {
    taskId: leftover.taskId,
    userId: leftover.userId,
    botId: leftover.botId,
    generation: BigInt(leftover.generation),
    epoch: BigInt(leftover.epoch),
    desired: DesiredState.REMOVED,
    stopGraceMs,
    purge: leftover.purge,
  });

/** Sends a bot's worker what it should do about it, after the commit. */
export function sendEnsure(
  { sealKey, settings, decided }: EngineContext,
  change: Change,
  bot: BotRecord,
  task?: TaskCommand,
): void {
  if (bot.workerId === null) return;
  const value = toEnsure(sealKey, bot, task, settings.stopGraceMs, decided(bot));
  change.afterCommit({ kind: 'send', workerId: bot.workerId, body: { case: 'ensure', value } });
}
