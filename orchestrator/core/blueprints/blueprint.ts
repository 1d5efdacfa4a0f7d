/**
 * A blueprint: a pure function that moves one job by one event. The engine saves what it returns in one commit and then
 * runs the effects; each effect may safely run twice.
 */
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import type { JobAction } from '../actions.ts';
import type { JobState, WorkingState } from '../job-states.ts';

/** What happens to a job. */
export type JobEvent =
  /** It is its turn. */
  | { readonly kind: 'begin' }
  /** The task it dispatched succeeded. */
  | { readonly kind: 'task_succeeded'; readonly result: JsonObject }
  /** The task it dispatched failed. */
  | { readonly kind: 'task_failed'; readonly problem: Problem }
  /** It is answered without a task: what it asked for was read, or needs no worker. */
  | { readonly kind: 'answered'; readonly result: JsonObject }
  /** It ends early: its deadline passed, it was cancelled, or it could not be carried out. */
  | { readonly kind: 'aborted'; readonly problem: Problem };

/** The purpose of a working state: what it decides about the bot, and the task that carries that out. */
export interface Work {
  /** What workers in other languages know the task by. */
  readonly taskType: string;
  /** What is decided about the bot (core/bot.ts); null for a task that is about no bot. */
  readonly decides: DecisionKind | null;
  /**
   * Who gets the task: the worker that has the bot (`its_worker`), the best one for a bot that should run, its home first (`best`),
   * the best one but where it is (`another`), or whichever asks for it (`anyone`).
   */
  readonly goesTo: 'its_worker' | 'best' | 'another' | 'anyone';
}

/** `deploy` brings a spec; `configure` one with the source that its bot has; `move` lets its worker stop a bot that should run elsewhere. */
export type DecisionKind = 'deploy' | 'configure' | 'restart' | 'stop' | 'remove' | 'move';

/** What a job can ask to be told. */
export type ReadKind = 'list' | 'status' | 'logs' | 'config';

/** What the engine should do once the step is on disk. */
export type Effect =
  /** Decide about the bot, and hand the task to a worker. */
  | { readonly kind: 'dispatch'; readonly work: Work }
  /** Answer from what the orchestrator knows, or from the bot's log. */
  | { readonly kind: 'read'; readonly what: ReadKind };

/** One step. `path` has every state passed through, the last one being where the job is now. */
export type Step =
  | { readonly status: 'running'; readonly path: readonly JobState[]; readonly effects: readonly Effect[] }
  | { readonly status: 'completed'; readonly path: readonly JobState[]; readonly result: JsonObject }
  | { readonly status: 'failed' | 'cancelled'; readonly path: readonly JobState[]; readonly problem: Problem };

export interface Blueprint {
  readonly name: string;
  readonly initialState: JobState;
  /** Undefined when the event means nothing in that state, for example a result that occurs twice. */
  step(job: JobPlace, event: JobEvent): Step | undefined;
  /** What a job in that state has a task for; undefined where it has none. */
  workIn(state: JobState): Work | undefined;
}

/** Where a job is. */
export interface JobPlace {
  readonly state: JobState;
  readonly action: JobAction;
}

/** The end of a job that ends early. */
export function abortedStep(problem: Problem, path: readonly JobState[]): Step {
  return { status: problem.code === 'CANCELLED' ? 'cancelled' : 'failed', path, problem };
}

/** What a working state is looked up by. */
export const workOf = (works: Partial<Readonly<Record<WorkingState, Work>>>, state: JobState): Work | undefined =>
  // Own names alone: a state is never that of a method of all objects.
  Object.hasOwn(works, state) ? works[state as WorkingState] : undefined;
