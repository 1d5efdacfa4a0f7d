/** Sealing of bot specs: a spec is only ever in clear in memory and on the session of its own worker. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { BotKey } from '#common/ids.ts';
import { type Problem, ProblemError, problem } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { type BotSpec, BotSpecSchema, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { type Ensure, EnsureSchema, type StoreMoment } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord, JobRecord, Leftover } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import { open, seal, specBinding } from '../store/seal.ts';
import { desiredToProto } from '../views/proto.ts';
import type { EngineSettings } from './context.ts';

export const sealSpec = (key: Secret<Uint8Array>, bot: BotKey, spec: BotSpec): Uint8Array =>
  seal(key, toBinary(BotSpecSchema, spec), specBinding(bot));

/** `so`: what follows from it. */
export const damaged = (botId: string, so = 'it cannot be started from it'): Problem =>
  problem('BOT_DAMAGED', `What the orchestrator has stored of the bot ${botId} cannot be opened any more: ${so}.`);

/** Throws ProblemError BOT_DAMAGED when the sealed bytes were changed, or another key sealed them. */
export function openSpec(key: Secret<Uint8Array>, bot: BotKey, sealed: Uint8Array): BotSpec {
  try {
    return fromBinary(BotSpecSchema, open(key, sealed, specBinding(bot)));
  } catch (cause) {
    throw new ProblemError(damaged(bot.botId), { cause });
  }
}

/** As openSpec; undefined without a spec, and for one that cannot be opened: then the bot is left as it is. */
export function openSoundSpec(key: Secret<Uint8Array>, bot: BotKey, sealed: Uint8Array | null): BotSpec | undefined {
  try {
    return sealed === null ? undefined : openSpec(key, bot, sealed);
  } catch (error) {
    if (error instanceof ProblemError) return undefined;
    throw error;
  }
}

/** Whether the bot has a spec that cannot be opened. */
export const isDamaged = (key: Secret<Uint8Array>, bot: BotKey & { readonly specSealed: Uint8Array | null }): boolean =>
  bot.specSealed !== null && openSoundSpec(key, bot, bot.specSealed) === undefined;

/** What `reason` says of such a bot. */
export const damagedReason =
  'damaged: what the orchestrator has stored of it cannot be opened any more; what runs is left untouched, ' +
  'but it cannot be restarted: update it with its source and its environment, or delete it';

/** What a spec makes of its bot's row. */
export const shapeOf = (spec: BotSpec, settings: EngineSettings): Pick<BotRecord, 'memoryBytes' | 'cpuMillis'> => ({
  memoryBytes: Number(spec.limits?.memoryBytes || 0) || settings.defaultMemoryBytes,
  cpuMillis: spec.limits?.cpuMillis || settings.defaultCpuMillis,
});

/** The task that a command serves. */
export interface TaskCommand {
  readonly taskId: string;
  /** None for a decision that stands until it is carried out. */
  readonly deadline?: {
    /** By the wall clock of now. */
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
  const spec = desired === 'running' ? openSoundSpec(key, bot, bot.specSealed) : undefined;
  return create(EnsureSchema, {
    taskId: task?.taskId ?? '',
    userId: bot.userId,
    botId: bot.botId,
    generation: BigInt(bot.generation),
    epoch: BigInt(bot.epoch),
    desired: desiredToProto[desired],
    revision: BigInt(bot.revision),
    ...(spec === undefined ? {} : { spec }),
    stopGraceMs,
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

/** The command that rids a worker of what it has of a bot that is not placed there. */
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
