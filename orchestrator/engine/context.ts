/** What the parts of the engine share. Built once, in program.ts. */
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import type { Labels } from '#common/labels.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import type { SessionResponse, StoreMoment } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Blueprint } from '../core/blueprints/blueprint.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import type { BotView } from '../views/bot-view.ts';
import type { Published } from './change.ts';

/** A connected worker, as placement sees it. */
export interface LiveWorker {
  readonly workerId: string;
  readonly ready: boolean;
  readonly notReadyReason: string;
  /** How long nothing was heard of it; 0 while that is in order. */
  readonly silentMs: number;
  readonly capabilities: readonly string[];
  readonly labels: Labels;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** What the engine needs of the fleet. */
export interface FleetPort {
  live(): readonly LiveWorker[];
  /** False when the worker has no session; it will get everything in its next Welcome. */
  send(workerId: string, body: SessionResponse['body']): boolean;
  /** Whether nothing was heard of it for so long (10 s) that nobody can say what its bots do. */
  isSilent(workerId: string): boolean;
  /** Adds what only the fleet knows. */
  view(bot: BotView['bot']): BotView;
}

/** Reads the end of a bot's log; rejects with ProblemError. */
export type LogTextReader = (key: BotKey, lines: number, signal: AbortSignal) => Promise<string>;

export interface EngineSettings {
  readonly maxBotsPerUser: number;
  /** How long a bot may run without a new decision of its user; 0: for ever. */
  readonly maxRuntimeMs: number;
  /** Reserved for bots that ask for nothing. */
  readonly defaultMemoryBytes: number;
  readonly defaultCpuMillis: number;
  /** Deadlines of jobs, ms. */
  readonly deploymentDeadlineMs: number;
  readonly otherDeadlineMs: number;
  readonly stopGraceMs: number;
}

export const defaultEngineSettings: EngineSettings = {
  maxBotsPerUser: 3,
  maxRuntimeMs: 0,
  defaultMemoryBytes: 256 * 1024 * 1024,
  defaultCpuMillis: 500,
  deploymentDeadlineMs: 600_000,
  otherDeadlineMs: 60_000,
  stopGraceMs: 10_000,
};

export interface EngineContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealKey: Secret<Uint8Array>;
  readonly settings: EngineSettings;
  readonly blueprints: ReadonlyMap<string, Blueprint>;
  readonly fleet: FleetPort;
  readonly published: Published;
  /** Begins to read the log for a logs job; the answer comes as an event of its own. */
  readonly requestLogs: (job: JobRecord) => void;
  /** Begins to stop the bots that have the tokens of a job that waits to take them over. */
  readonly makeRoom: (jobId: string) => void;
  /** The moment of the store at which the bot's newest decision was made; for its worker. */
  readonly decided: (bot: BotRecord) => StoreMoment | undefined;
  /** Whether its worker knows later decisions about the bot than the store, which was restored: what it says is of those. */
  readonly isHeld: (bot: BotRecord) => boolean;
  /** A task that any worker may take has been made. */
  readonly taskOffered: () => void;
  /** New job and task ids, ascending. */
  readonly newId: () => string;
}
