/** What an orchestrator may ask and order in a session; worker/commands.ts carries it out. */
import type { BotKey } from '#common/ids.ts';
import type {
  AdoptStrays,
  BotObservation,
  DesiredChanges,
  DesiredSet,
  Ensure,
  Heartbeat,
  Hello,
  OpenTail,
  Strays,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Channel } from './channel.ts';

/** None of them may throw: a throw ends the session. */
export interface WorkerCommands {
  hello(): Hello;
  heartbeat(): Heartbeat;
  /** A bot as it is now; undefined for one that is not placed here. */
  observationOf(bot: BotKey): BotObservation | undefined;
  /** Why the orchestrator with this store must not be obeyed. */
  objectionTo(storeId: string): string | undefined;
  /** `anew`: the first set of a session. */
  applyDesiredSet(set: DesiredSet, anew: boolean): void;
  /** False, and nothing is done, when they are changes of another set than the last one. */
  applyDesiredChanges(changes: DesiredChanges): boolean;
  /** DesiredSet.version as far as it was applied in this session. */
  desiredVersion(): bigint;
  ensure(ensure: Ensure): void;
  cancelTask(taskId: string): void;
  /** True: another process is this worker, so leave its bots as they are; false: this one is it again. */
  hold(held: boolean): void;
  openTail(channel: Channel, tail: OpenTail, signal: AbortSignal): void;
  /** Containers on the engine that are not this worker's. */
  strays(): Strays;
  adopt(decision: AdoptStrays): void;
}
