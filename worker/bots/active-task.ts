/** The task that a bot's actor is working on, with its deadline, and its reports. */
import { create } from '@bufbuild/protobuf';
import type { Clock } from '#common/clock.ts';
import type { Problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { type BotObservation, type TaskResult, TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import type { DecisionOrder, EnsureCommand } from './desired.ts';

/** Where tasks are reported to. Never throws: what cannot be sent now is kept or dropped there. */
export interface TaskReports {
  accepted(taskId: string): void;
  /** May be dropped when the orchestrator is away. */
  progress(taskId: string, state: BotState, message: string, output: readonly LogEntry[]): void;
  /** Kept until acknowledged. */
  ended(result: TaskResult): void;
}

export type TaskEnd =
  | { readonly ok: true; readonly replaced: boolean; readonly lastLines: readonly LogEntry[] }
  | { readonly ok: false; readonly problem: Problem };

export interface ActiveTask {
  readonly id: string;
  readonly decision: DecisionOrder;
  /** Set when the deadline has passed. */
  readonly expired: boolean;
  /** A container of another revision was replaced for it. */
  replaced: boolean;
  /** What its user should know in addition to the success. */
  readonly notices: string[];
  /**
   * What its user should know of the source. `lines`: the same as in the bot's log. A success brings the texts; beside a failure, the lines
   * are sent.
   */
  warn(texts: readonly string[], lines: readonly LogEntry[]): void;
  /** Reports the state if it differs from the one reported last. */
  tell(state: BotState, message: string): void;
  output(lines: readonly LogEntry[]): void;
  end(outcome: TaskEnd, observation: BotObservation): void;
  /** The worker stops; the orchestrator will send the task again. */
  abandon(): void;
}

// As in TaskSucceeded.notices.
const noticesMax = 8;
const warningsMax = 16;

/** Says "accepted" at once. `onDeadline` is called once, unless the task ended before. */
export function beginTask(
  command: EnsureCommand,
  reports: TaskReports,
  clock: Clock,
  onDeadline: () => void,
): ActiveTask {
  const { taskId, limitMs } = command;
  let expired = false;
  let told: { state: BotState; message: string } = { state: BotState.UNSPECIFIED, message: '' };
  const cancelDeadline =
    limitMs === undefined
      ? () => undefined
      : clock.after(Math.max(0, limitMs), () => {
          expired = true;
          onDeadline();
        });
  const notices: string[] = [];
  const warnings = new Set<string>();
  const warningLines: LogEntry[] = [];
  reports.accepted(taskId);
  return {
    id: taskId,
    decision: command.desired,
    get expired() {
      return expired;
    },
    replaced: false,
    notices,
    warn(texts, lines) {
      for (const text of texts) warnings.add(text);
      warningLines.push(...lines);
    },
    tell(state, message) {
      if (told.state === state && told.message === message) return;
      told = { state, message };
      reports.progress(taskId, state, message, []);
    },
    output: (lines) => reports.progress(taskId, told.state, told.message, lines),
    end(outcome, observation) {
      cancelDeadline();
      if (!outcome.ok && warningLines.length > 0) reports.progress(taskId, told.state, told.message, warningLines);
      const result = create(TaskResultSchema, { taskId, observation });
      result.outcome = outcome.ok
        ? {
            case: 'succeeded',
            value: {
              $typeName: 'botrunner.v1.TaskSucceeded',
              replaced: outcome.replaced,
              lastLines: [...outcome.lastLines],
              notices: notices.slice(0, noticesMax),
              warnings: [...warnings].slice(0, warningsMax),
            },
          }
        : { case: 'failed', value: problemToProto(outcome.problem) };
      reports.ended(result);
    },
    abandon: () => cancelDeadline(),
  };
}
