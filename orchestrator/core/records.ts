/** What the orchestrator knows and the store keeps, as plain values. Times are ms since 1970. */
import type { BotKey } from '#common/ids.ts';
import type { Json, JsonObject, Problem } from '#common/problem.ts';

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
}

export interface Undo {
  readonly desired: Desired;
  readonly revision: number;
  readonly specSealed: Uint8Array | null;
}

export interface BotRecord extends BotKey {
  readonly mode: string;
  readonly desired: Desired;
  readonly generation: number;
  readonly revision: number;
  readonly epoch: number;
  readonly workerId: string | null;
  /** Reserved for placement: the limits of the spec, or the defaults. */
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly specSealed: Uint8Array | null;
  /** Whether a removal takes the data volume too. */
  readonly purge: boolean;
  readonly undo: Undo | null;
  readonly state: BotStateName;
  readonly observed: Observed;
  readonly observedAt: number | null;
  /** The number of the bot's last event. */
  readonly eventSeq: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type JobStatusName = 'pending' | 'running' | 'waiting_for_worker' | 'completed' | 'failed' | 'cancelled';
export const isFinal = (status: JobStatusName): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

export interface JobRecord {
  readonly jobId: string;
  readonly userId: string;
  readonly blueprint: string;
  readonly action: string;
  readonly botId: string;
  /** Whether it changes the bot: those of one bot run one after the other. */
  readonly mutating: boolean;
  readonly state: string;
  readonly status: JobStatusName;
  readonly reason: string;
  readonly params: JsonObject;
  readonly specSealed: Uint8Array | null;
  readonly result: JsonObject | null;
  readonly error: Problem | null;
  readonly taskId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deadlineAt: number;
}

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

export type EventKind = 'bot' | 'job' | 'worker';

export interface EventRecord {
  /** Orders all events. */
  readonly seq: number;
  readonly eventId: string;
  readonly userId: string;
  readonly botId: string;
  /** Orders the events of one bot, from 1 without a hole. */
  readonly botSeq: number;
  readonly kind: EventKind;
  /** The job's or worker's id; the bot's for kind bot. */
  readonly subjectId: string;
  readonly payload: Json;
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
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
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
