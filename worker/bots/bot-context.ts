/** What an actor needs from the rest of the worker. */
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { Semaphore } from '#common/waiting/semaphore.ts';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Preflight } from '../diagnosis/preflight.ts';
import type { TokenClaims } from '../diagnosis/source-tokens.ts';
import type { FetchParts } from '../fetch/fetched.ts';
import type { BotLog } from '../logs/bot-log.ts';
import type { ContainerFacts, ContainerRuntime } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';
import type { StartGate } from '../safety/start-gate.ts';
import type { TaskReports } from './active-task.ts';
import type { BotRecords } from './bot-records.ts';
import type { Artifacts } from './image-preparation.ts';
import type { BotDefaults } from './spec-plan.ts';

/** The same for all bots of a worker. */
export interface WorkerContext {
  readonly workerId: string;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  readonly defaults: BotDefaults;
  /** More values to be masked in every bot's log, such as the proxy's password. */
  readonly operatorSecrets: readonly string[];
  /** How many images are made at once. */
  readonly slots: Semaphore;
  /** As in PreparationParts. */
  readonly quickSlots?: Semaphore;
  /** As in PreparationParts. */
  readonly fetchSlots: Semaphore;
  readonly artifacts: Artifacts;
  /** How sources are fetched from elsewhere. */
  readonly fetching: FetchParts;
  readonly startGate: StartGate;
  readonly preflight: Preflight;
  readonly tokenClaims: TokenClaims;
  readonly records: BotRecords;
  readonly reports: TaskReports;
  /** The bot's container, if the engine has one; asked after the call. */
  lookup(key: BotKey, signal: AbortSignal): Promise<ContainerFacts | undefined>;
  /** The container that has the name of the bot's own and is not this worker's, if the engine has one. */
  strayOf(key: BotKey, signal: AbortSignal): Promise<Stray | undefined>;
  /** Whether the engine or the machine went down when this container ended. */
  wasInterrupted(finishedAtMs: number | undefined): boolean;
  /** Seals text for one bot's record, and opens it; undefined when it cannot be opened. */
  sealFor(key: BotKey, plain: string): string;
  openFor(key: BotKey, sealed: string): string | undefined;
}

export interface BotContext extends WorkerContext {
  readonly log: BotLog;
  /** The bot's state differs from the one reported before. */
  onObservation(observation: BotObservation): void;
  /** Nothing of an absent bot is left; the actor has ended. */
  onGone(): void;
}
