/** What the parts of the engine know besides the rows: settings, blueprints, the key of the specs, and the fleet as it is now. */
import type { Labels } from '#common/labels.ts';
import type { Secret } from '#common/secret.ts';
import type { SessionResponse, StoreMoment } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Blueprint } from '../core/blueprints/blueprint.ts';
import type { Deadlines } from '../core/deadlines.ts';
import type { BotRecord } from '../core/records.ts';
import type { LimitSettings } from '../core/user-limits.ts';
import type { BotView } from '../views/bot-view.ts';

/** A connected worker, as placement sees it. */
export interface LiveWorker {
  readonly workerId: string;
  readonly ready: boolean;
  readonly notReadyReason: string;
  /** True: no new containers are made there, because it is not known to be safe for strangers' bots. */
  readonly startsRefused: boolean;
  /** How long it has been silent; 0 while that is within bounds. */
  readonly silentMs: number;
  readonly capabilities: readonly string[];
  readonly labels: Labels;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** What the engine asks of the fleet. */
export interface FleetView {
  live(): readonly LiveWorker[];
  /** One of them; undefined when it is not connected. */
  liveOne(workerId: string): LiveWorker | undefined;
  /** Whether it has been silent for so long (10 s) that the state of its bots is unknown. */
  isSilent(workerId: string): boolean;
  /** Whether nothing new is started anywhere, because a safety check of the orchestrator itself fails. */
  startsRefused(): boolean;
  /** Adds what only the fleet knows. */
  view(bot: BotView['bot']): BotView;
}

/** What the program asks of the fleet. */
export interface FleetPort extends FleetView {
  /** False when the worker has no session; it will get everything in its next Welcome. */
  send(workerId: string, body: SessionResponse['body']): boolean;
}

export interface EngineSettings extends Deadlines, LimitSettings {
  /** How long a bot may run without a new decision of its user; 0: forever. */
  readonly maxRuntimeMs: number;
  /** Reserved for bots that ask for nothing. */
  readonly defaultMemoryBytes: number;
  readonly defaultCpuMillis: number;
  readonly stopGraceMs: number;
}

export const defaultEngineSettings: EngineSettings = {
  maxBotsPerUser: 3,
  maxKeptBotsPerUser: 100,
  maxSourceBytesPerUser: 2048 * 1024 * 1024,
  maxJobBytesPerUser: 64 * 1024 * 1024,
  maxRuntimeMs: 0,
  defaultMemoryBytes: 256 * 1024 * 1024,
  defaultCpuMillis: 500,
  deploymentDeadlineMs: 600_000,
  otherDeadlineMs: 60_000,
  stopGraceMs: 10_000,
};

export interface EngineContext {
  readonly sealKey: Secret<Uint8Array>;
  readonly settings: EngineSettings;
  readonly blueprints: ReadonlyMap<string, Blueprint>;
  readonly fleet: FleetView;
  /** Whether the store has room for what is large. */
  readonly hasRoom: () => boolean;
  /** The moment of the store at which the bot's newest decision was made; for its worker. */
  readonly decided: (bot: BotRecord) => StoreMoment | undefined;
  /** Whether its worker knows later decisions about the bot than the store, which was restored: what it says is of those. */
  readonly isHeld: (bot: BotRecord) => boolean;
}
