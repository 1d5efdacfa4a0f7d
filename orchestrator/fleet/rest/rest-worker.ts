/**
 * A worker that speaks REST: it registers, asks for tasks and posts results. To the rest of the orchestrator it is a worker
 * with a session like any other: what would go out on the stream becomes tasks in its mailbox, and its results become the
 * session's messages.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { JsonObject } from '#common/json.ts';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import {
  type Ensure,
  type SessionResponse,
  type TaskResult,
  TaskResultSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { SendQueue } from '../send-queue.ts';

/** One task as the worker gets it. */
export interface RestTask {
  readonly task_id: string;
  readonly job_id: string;
  readonly type: string;
  readonly params: JsonObject;
}

/** What became of a task, as the worker posts it. */
export interface RestResult {
  readonly status: 'success' | 'failure' | 'cancelled';
  readonly data: JsonObject;
  readonly error: { readonly code: string; readonly message: string };
}

/** Files of a bot for the task's params; how they are read is the caller's. */
export type ParamsOf = (ensure: Ensure) => Promise<JsonObject>;

/** The job that a task belongs to; undefined when the job is gone. */
export type JobOf = (taskId: string) => Promise<string | undefined>;

const mailboxMax = 1_000;

/** The type of task that a command is, in the words of the original system. */
function typeOf(ensure: Ensure): 'start_bot' | 'stop_bot' {
  return ensure.desired === DesiredState.RUNNING ? 'start_bot' : 'stop_bot';
}

export class RestWorker {
  readonly queue = new SendQueue();
  readonly supportedTasks: readonly string[];
  readonly #paramsOf: ParamsOf;
  readonly #jobOf: JobOf;
  readonly #isTaken: (taskId: string) => boolean;
  readonly #mailbox: Ensure[] = [];
  /** Commands that are in the mailbox or with the worker, by task. */
  readonly #open = new Map<string, Ensure>();
  #bell: (() => void) | undefined;

  /** `isTaken`: whether this worker has the task already, from before a restart of the orchestrator. */
  constructor(
    supportedTasks: readonly string[],
    paramsOf: ParamsOf,
    jobOf: JobOf,
    isTaken: (taskId: string) => boolean,
  ) {
    this.#isTaken = isTaken;
    this.supportedTasks = supportedTasks;
    this.#paramsOf = paramsOf;
    this.#jobOf = jobOf;
  }

  /** Turns the session's messages into tasks until the session ends. */
  run(): Promise<void> {
    return this.queue.deliver((bodies) => {
      for (const body of bodies) this.#receive(body);
      return true;
    });
  }

  #receive(body: SessionResponse['body']): void {
    const ensures = body.case === 'ensure' ? [body.value] : body.case === 'desiredSet' ? body.value.bots : [];
    for (const ensure of ensures) {
      // Without a task it only states what already holds; there is no way to tell REST workers that.
      if (ensure.taskId === '' || this.#open.has(ensure.taskId) || this.#mailbox.length >= mailboxMax) continue;
      if (!this.supportedTasks.includes(typeOf(ensure))) continue;
      this.#open.set(ensure.taskId, ensure);
      if (!this.#isTaken(ensure.taskId)) this.#offer(ensure);
    }
    if (body.case === 'cancelTask') {
      const index = this.#mailbox.findIndex(({ taskId }) => taskId === body.value.taskId);
      if (index >= 0) this.#mailbox.splice(index, 1);
      this.#open.delete(body.value.taskId);
    }
  }

  #offer(ensure: Ensure): void {
    this.#mailbox.push(ensure);
    this.#bell?.();
  }

  /** Hands the task out once more; nothing happens when it was cancelled meanwhile. */
  offerAgain(taskId: string): void {
    const ensure = this.#open.get(taskId);
    if (ensure !== undefined && !this.#mailbox.includes(ensure)) this.#offer(ensure);
  }

  /** Whether it has the task, or is about to get it. */
  has(taskId: string): boolean {
    return this.#open.has(taskId);
  }

  /** The next task about a bot, if there is one. */
  async next(): Promise<RestTask | undefined> {
    const ensure = this.#mailbox.shift();
    if (ensure === undefined) return undefined;
    const base = { user_id: ensure.userId, bot_id: ensure.botId };
    const params = ensure.desired === DesiredState.RUNNING ? await this.#paramsOf(ensure) : {};
    const ids = { task_id: ensure.taskId, job_id: (await this.#jobOf(ensure.taskId)) ?? '' };
    return { ...ids, type: typeOf(ensure), params: { ...base, ...params } };
  }

  /** Who waits for its tasks looks again. */
  wake(): void {
    this.#bell?.();
  }

  /** Calls back once when there may be a new task. */
  onTask(callback: () => void): () => void {
    this.#bell = callback;
    return () => {
      if (this.#bell === callback) this.#bell = undefined;
    };
  }

  /** The result as a session would report it; undefined for a task this worker does not have. */
  toTaskResult(taskId: string, result: RestResult, nowMs: number): TaskResult | undefined {
    const ensure = this.#open.get(taskId);
    if (ensure === undefined) return undefined;
    this.#open.delete(taskId);
    const wantedRunning = ensure.desired === DesiredState.RUNNING;
    const runs = wantedRunning && result.status === 'success';
    const textOf = (key: string) => (typeof result.data[key] === 'string' ? String(result.data[key]) : '');
    const startedAt = Date.parse(textOf('started_at'));
    return create(TaskResultSchema, {
      taskId,
      outcome:
        result.status === 'success'
          ? { case: 'succeeded', value: {} }
          : {
              case: 'failed',
              value: problemToProto(
                problem('CONTAINER_ERROR', `${result.error.code}: ${result.error.message}`.slice(0, 500)),
              ),
            },
      observation: {
        userId: ensure.userId,
        botId: ensure.botId,
        generation: ensure.generation,
        epoch: ensure.epoch,
        revision: runs ? ensure.revision : 0n,
        state: runs ? BotState.RUNNING : wantedRunning ? BotState.FAILED : BotState.STOPPED,
        containerId: runs ? textOf('container_id') : '',
        containerName: runs ? textOf('container_name') : '',
        ...(runs ? { startedAt: timestampFromMs(Number.isNaN(startedAt) ? nowMs : startedAt) } : {}),
        observedAt: timestampFromMs(nowMs),
      },
    });
  }
}
