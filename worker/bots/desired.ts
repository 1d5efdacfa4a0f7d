/** What a bot should be, as the worker keeps it, and how it is read from an Ensure. Pure. */
import { type BotKey, isBotId, userIdPattern } from '#common/ids.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { type BotSpec, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';

/** When something was decided: by placement first, then by generation. */
export interface DecisionOrder {
  readonly epoch: bigint;
  readonly generation: bigint;
}

/**
 * `stopped` keeps image and log; `removed` keeps nothing; `absent`: the orchestrator does not place the bot here any more,
 * so its container and image go, its log stays for its time.
 */
export type DesiredKind = 'running' | 'stopped' | 'removed' | 'absent';

export interface DesiredBot extends DecisionOrder {
  readonly kind: DesiredKind;
  /** The spec that should run. */
  readonly revision: bigint;
  readonly stopGraceMs: number;
  /** With `removed`: what it kept in /data goes too. */
  readonly purge?: boolean;
  /** With `running`: a process started for an older decision is ended and started again, in the same container. */
  readonly restart?: boolean;
  /** With `running`: between building and starting the orchestrator is asked for the Telegram tokens. */
  readonly claimTokens?: boolean;
  /** When it was decided, by the history of the orchestrator's store; only handed back. */
  readonly decided?: { readonly opening: string; readonly seq: bigint };
}

export interface EnsureCommand {
  readonly key: BotKey;
  /** Empty when sent to reconcile. */
  readonly taskId: string;
  readonly desired: DesiredBot;
  readonly spec: BotSpec | undefined;
  /** How long its task may take from now on, ms; undefined: until the orchestrator ends it. */
  readonly limitMs: number | undefined;
}

export const defaultStopGraceMs = 10_000;
const longestStopGraceMs = 300_000;
// Beyond what timers take, and far beyond any deadline.
const longestTaskMs = 24 * 60 * 60 * 1000;

export const compareDecisions = (a: DecisionOrder, b: DecisionOrder): number =>
  a.epoch !== b.epoch
    ? a.epoch < b.epoch
      ? -1
      : 1
    : a.generation !== b.generation
      ? a.generation < b.generation
        ? -1
        : 1
      : 0;

export const isSameDecision = (a: DecisionOrder, b: DecisionOrder): boolean => compareDecisions(a, b) === 0;

const kinds: Readonly<Partial<Record<DesiredState, DesiredKind>>> = {
  [DesiredState.RUNNING]: 'running',
  [DesiredState.STOPPED]: 'stopped',
  [DesiredState.REMOVED]: 'removed',
};

/** INVALID_WORKER for an Ensure that this version cannot obey: bad ids, or a desired state it does not know. */
export function readEnsure(message: Ensure): Result<EnsureCommand> {
  const { userId, botId, taskId } = message;
  const kind = kinds[message.desired];
  if (!userIdPattern.test(userId) || !isBotId(botId) || kind === undefined) {
    return fail(problem('INVALID_WORKER', 'The worker received a command that it does not understand.'));
  }
  return ok({
    key: { userId, botId },
    taskId,
    desired: {
      kind,
      epoch: message.epoch,
      generation: message.generation,
      revision: message.revision,
      stopGraceMs: Math.min(message.stopGraceMs > 0 ? message.stopGraceMs : defaultStopGraceMs, longestStopGraceMs),
      ...(message.purge ? { purge: true } : {}),
      ...(message.decided ? { decided: { opening: message.decided.opening, seq: message.decided.seq } } : {}),
      ...(message.restart ? { restart: true } : {}),
      ...(message.claimTokens ? { claimTokens: true } : {}),
    },
    spec: message.spec,
    // deadline_at is an instant of the orchestrator's clock, which means nothing here; see session/peer-clock.ts.
    limitMs: message.remainingMs === undefined ? undefined : Math.min(Number(message.remainingMs), longestTaskMs),
  });
}
