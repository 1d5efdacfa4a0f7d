/** Bots and jobs as messages of botrunner.v1. */
import { create } from '@bufbuild/protobuf';
import { problemToProto } from '#common/problem-proto.ts';
import { type Bot, BotSchema, BotState, DesiredState, DiskKind } from '#gen/botrunner/v1/bot_pb.js';
import { type Job, JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import type {
  BotStateName,
  Desired,
  DiskKindName,
  JobStatusName,
  ObservedDisk,
  ObservedProtection,
  ShownJob,
} from '../core/records.ts';
import { type BotView, lastEnd } from './bot-view.ts';
import { timestamp } from './time.ts';

const stateToProto: Readonly<Record<BotStateName, BotState>> = {
  pending: BotState.PENDING,
  building: BotState.BUILDING,
  pulling: BotState.PULLING,
  starting: BotState.STARTING,
  running: BotState.RUNNING,
  crash_loop: BotState.CRASH_LOOP,
  exited: BotState.EXITED,
  failed: BotState.FAILED,
  stopping: BotState.STOPPING,
  stopped: BotState.STOPPED,
  unknown: BotState.UNKNOWN,
  lost: BotState.LOST,
};

// Looked up for each report of a bot.
const stateByNumber: ReadonlyMap<BotState, BotStateName> = new Map(
  Object.entries(stateToProto).map(([name, number]) => [number, name as BotStateName]), // the keys of the table
);

/** Undefined for a number this release does not know. */
export const stateFromProto = (state: BotState): BotStateName | undefined => stateByNumber.get(state);

const diskKindToProto: Readonly<Record<DiskKindName, DiskKind>> = {
  sized: DiskKind.SIZED,
  watch: DiskKind.WATCH,
  off: DiskKind.OFF,
};

const diskKindByNumber: ReadonlyMap<DiskKind, DiskKindName> = new Map(
  Object.entries(diskKindToProto).map(([name, number]) => [number, name as DiskKindName]), // the keys of the table
);

/** Undefined for one that is not known, or newer than this release. */
export const diskKindFromProto = (kind: DiskKind): DiskKindName | undefined => diskKindByNumber.get(kind);

export const desiredToProto: Readonly<Record<Desired, DesiredState>> = {
  running: DesiredState.RUNNING,
  stopped: DesiredState.STOPPED,
  removed: DesiredState.REMOVED,
};

const statusToProto: Readonly<Record<JobStatusName, JobStatus>> = {
  pending: JobStatus.PENDING,
  running: JobStatus.RUNNING,
  waiting_for_worker: JobStatus.WAITING_FOR_WORKER,
  completed: JobStatus.COMPLETED,
  failed: JobStatus.FAILED,
  cancelled: JobStatus.CANCELLED,
};

const diskToProto = (disk: ObservedDisk) => ({
  dataBytes: BigInt(disk.dataBytes),
  dataLimitBytes: BigInt(disk.dataLimitBytes),
  layerBytes: BigInt(disk.layerBytes),
  layerLimitBytes: BigInt(disk.layerLimitBytes),
});

const protectionToProto = ({ disk, ...protection }: ObservedProtection) => ({
  ...protection,
  disk: disk === undefined ? DiskKind.UNSPECIFIED : diskKindToProto[disk],
});

export function botToProto(view: BotView): Bot {
  const { bot, state, runtime } = view;
  const { observed } = bot;
  const end = lastEnd(view);
  return create(BotSchema, {
    userId: bot.userId,
    botId: bot.botId,
    state: stateToProto[state],
    desired: desiredToProto[bot.desired],
    generation: BigInt(bot.generation),
    revision: BigInt(bot.revision),
    epoch: BigInt(bot.epoch),
    workerId: bot.workerId ?? '',
    runtime,
    mode: bot.mode,
    containerId: observed.containerId ?? '',
    containerName: observed.containerName ?? '',
    ...timestamp('startedAt', observed.startedAt),
    ...timestamp('finishedAt', end.finishedAt),
    ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
    oomKilled: end.oomKilled ?? false,
    restarts: observed.restarts ?? 0,
    ...timestamp('nextTryAt', observed.nextTryAt),
    reason: observed.reason ?? '',
    pinned: observed.pinned ?? '',
    diagnosis: observed.diagnosis ?? '',
    ...(observed.disk === undefined ? {} : { disk: diskToProto(observed.disk) }),
    ...(observed.protection === undefined ? {} : { protection: protectionToProto(observed.protection) }),
    notice: bot.notice,
    ...timestamp('stopsAt', bot.desired === 'running' ? bot.stopsAt : null),
    ...timestamp('observedAt', bot.observedAt),
    ...timestamp('createdAt', bot.createdAt),
  });
}

export function jobToProto(job: ShownJob): Job {
  return create(JobSchema, {
    jobId: job.jobId,
    userId: job.userId,
    blueprint: job.blueprint,
    action: job.action,
    botId: job.botId,
    state: job.state,
    status: statusToProto[job.status],
    reason: job.reason,
    // A JsonObject is plain JSON; protobuf-es only wants it mutable in type.
    ...(job.result === null ? {} : { result: job.result as Record<string, never> }),
    ...(job.error === null ? {} : { error: problemToProto(job.error) }),
    ...timestamp('createdAt', job.createdAt),
    ...timestamp('updatedAt', job.updatedAt),
    ...timestamp('deadlineAt', job.deadlineAt),
  });
}
