/** What the orchestrator knows and the store keeps, as plain values. Times are ms since 1970. */
import type { BotKey } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import type { JobInput } from './job-params.ts';
import type { JobState } from './job-states.ts';

export type Desired = 'running' | 'stopped' | 'removed';

export const botStates = [
  'pending',
  'building',
  'pulling',
  'starting',
  'running',
  'crash_loop',
  'exited',
  'failed',
  'stopping',
  'stopped',
  'unknown',
  'lost',
] as const;
export type BotStateName = (typeof botStates)[number];

/** What a worker last reported of a bot; all absent until it did. */
export interface Observed {
  /** The decision the report was about. */
  readonly generation?: number;
  readonly revision?: number;
  readonly containerId?: string;
  readonly containerName?: string;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly restarts?: number;
  readonly nextTryAt?: number;
  readonly reason?: string;
  readonly pinned?: string;
  /** What its log says is wrong. */
  readonly diagnosis?: string;
  readonly disk?: ObservedDisk;
  /** Absent for plain processes, and with workers that do not report it. */
  readonly protection?: ObservedProtection;
}

/** What it takes of its worker's disk, in bytes. */
export interface ObservedDisk {
  readonly dataBytes: number;
  readonly dataLimitBytes: number;
  readonly layerBytes: number;
  readonly layerLimitBytes: number;
}

export type DiskKindName = 'sized' | 'watch' | 'off';

/** How its container is kept apart. */
export interface ObservedProtection {
  readonly readOnly: boolean;
  /** The engine's runtime; empty if not known. */
  readonly runtimeClass: string;
  readonly user: string;
  /** How what it writes is limited; absent while that is not known. */
  readonly disk?: DiskKindName;
}

export interface UndoPoint {
  readonly desired: Desired;
  readonly revision: number;
  /** Whether that version ran, or was about to: one that did not is not worth going back to for a new one that does not run either. */
  readonly wasUp: boolean;
  readonly specSealed: Uint8Array | null;
}

/**
 * A bot. The store reads one from its row, and the functions of core/bot/ make the next one of it; nobody else does: the protected
 * member is lost in every copy, so that the compiler refuses a record that was put together anywhere else. Field by field:
 * docs/bot-model.md.
 */
export declare abstract class BotRecord implements BotKey {
  protected readonly madeByCoreBot: true;
  readonly userId: string;
  readonly botId: string;
  readonly mode: string;
  readonly desired: Desired;
  readonly generation: number;
  readonly revision: number;
  readonly epoch: number;
  readonly workerId: string | null;
  /** True while its worker should stop it because it moves to another one. */
  readonly leaving: boolean;
  /** Reserved for placement: the limits of the spec, or the defaults. */
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly specSealed: Uint8Array | null;
  /** Whether a removal takes the data volume too. */
  readonly purge: boolean;
  readonly undo: UndoPoint | null;
  /**
   * The task of a stop or removal that is decided, and that its worker has yet to carry out. After a takeover that failed late
   * it is the id of that job.
   */
  readonly pendingTask: string | null;
  readonly state: BotStateName;
  readonly observed: Observed;
  readonly observedAt: number | null;
  /** When its user last decided that it should run. */
  readonly runsSince: number;
  /** When the operator's limit on the age of bots stops it; null without one. */
  readonly stopsAt: number | null;
  /** Whether its owner was warned of that. */
  readonly ageWarned: boolean;
  /** One line from the operator's rules; usually empty. */
  readonly notice: string;
  /** The number of the bot's last event. */
  readonly eventSeq: number;
  /** How far the store had got when its generation or epoch was raised last; 0: before that was kept. */
  readonly decidedSeq: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A bot without its private parts: what views and events are made from. */
export type ShownBot = Omit<BotRecord, 'specSealed' | 'undo' | 'purge' | 'pendingTask'>;

export const jobStatuses = ['pending', 'running', 'waiting_for_worker', 'completed', 'failed', 'cancelled'] as const;
export type JobStatusName = (typeof jobStatuses)[number];
export const isFinal = (status: JobStatusName): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

interface JobFields {
  readonly jobId: string;
  readonly userId: string;
  readonly blueprint: string;
  readonly botId: string;
  /** Whether it changes the bot: those of one bot run one after the other. */
  readonly mutating: boolean;
  readonly state: JobState;
  readonly status: JobStatusName;
  readonly reason: string;
  readonly specSealed: Uint8Array | null;
  readonly result: JsonObject | null;
  readonly error: Problem | null;
  readonly taskId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deadlineAt: number;
}

/** A job, with its action and the input of that. */
export type JobRecord = JobFields & JobInput;

/** A job without its input: what views and events are made from. */
export type ShownJob = Omit<JobRecord, 'specSealed' | 'params'>;

export interface TaskRecord {
  readonly taskId: string;
  readonly jobId: string;
  readonly type: string;
  readonly workerId: string | null;
  readonly status: 'open' | 'accepted' | 'done';
  readonly createdAt: number;
  readonly acceptedAt: number | null;
  readonly finishedAt: number | null;
}

/** Something a bot's owner should know though nothing about the bot has changed. */
export interface Notice {
  /** For programs, for example MAX_RUNTIME_SOON. */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
}

/** How the orchestrator sees a worker. */
export interface WorkerStatus {
  readonly workerId: string;
  readonly condition: 'ready' | 'not_ready' | 'silent';
  readonly reason: string;
  readonly cordoned: boolean;
  readonly runtime: string;
  readonly version: string;
  readonly engineVersion: string;
}

/** What an event carries: the thing as it was right after the change. */
export type EventBody =
  | { readonly kind: 'bot'; readonly bot: ShownBot; readonly notice?: Notice; readonly deleted?: true }
  | { readonly kind: 'job'; readonly job: ShownJob }
  | { readonly kind: 'worker'; readonly worker: WorkerStatus };

export interface EventRecord {
  /** Orders all events. */
  readonly seq: number;
  readonly eventId: string;
  readonly userId: string;
  readonly botId: string;
  /** Orders the events of one bot, from 1 without gaps; 0 for jobs and workers. */
  readonly botSeq: number;
  /** The job's or worker's id; the bot's for kind bot. */
  readonly subjectId: string;
  readonly body: EventBody;
  readonly at: number;
}

export interface WorkerRecord {
  readonly workerId: string;
  readonly bootId: string;
  readonly runtime: string;
  readonly engineVersion: string;
  readonly version: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What it can do, as in Hello. */
  readonly capabilities: readonly string[];
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

/** What a worker may still have of a bot that is not placed there, and has to remove. */
export interface Leftover extends BotKey {
  readonly workerId: string;
  readonly epoch: number;
  readonly generation: number;
  /** Whether the data volume goes too. */
  readonly purge: boolean;
  /** Whether a copy of the bot may run there. */
  readonly copy: boolean;
  readonly taskId: string;
}

/** Who may speak as a worker. */
export interface WorkerAccess {
  readonly workerId: string;
  /** Null while the id may join with a new credential. */
  readonly credentialSha256: string | null;
  /** True: the id may not join. */
  readonly revoked: boolean;
}

export type Scope = 'client' | 'admin' | 'worker';

export interface TokenRecord {
  readonly tokenSha256: string;
  readonly userId: string;
  readonly scope: Scope;
  readonly name: string;
  readonly source: 'config' | 'admin';
  readonly createdAt: number;
}

/** That a user has a source. */
export interface SourceOwner {
  readonly userId: string;
  readonly sha256: string;
  readonly createdAt: number;
  /** Since when nothing of the user needs it; null while something does, or may. */
  readonly unneededAt: number | null;
}

/** An upload that is under way. */
export interface SourceUpload {
  readonly uploadId: string;
  readonly userId: string;
  /** Of what has been stored of it. */
  readonly sizeBytes: number;
  readonly createdAt: number;
}
