/**
 * A blueprint: a pure function that moves one job by one event. The engine saves what it returns in one commit and then
 * runs the effects; each effect may safely run twice.
 */
import type { JsonObject, Problem } from '#common/problem.ts';

/** What happens to a job. */
export type JobEvent =
  /** It is its turn. */
  | { readonly kind: 'begin' }
  /** The task it dispatched succeeded. */
  | { readonly kind: 'task_succeeded'; readonly result: JsonObject }
  /** The task it dispatched failed. */
  | { readonly kind: 'task_failed'; readonly problem: Problem }
  /** The reading it asked for is there. */
  | { readonly kind: 'answered'; readonly result: JsonObject }
  /** It ends early: its deadline passed, it was cancelled, or it could not be carried out. */
  | { readonly kind: 'aborted'; readonly problem: Problem };

/** What the engine should do once the step is on disk. */
export type Effect =
  /** Hand a task to the worker of the bot. */
  | { readonly kind: 'dispatch'; readonly taskType: string }
  /** Answer from what the orchestrator knows, or from the bot's log. */
  | { readonly kind: 'read'; readonly what: 'list' | 'status' | 'logs' };

/** One step. `path` has every state passed through, the last one being where the job is now. */
export type Step =
  | { readonly status: 'running'; readonly path: readonly string[]; readonly effects: readonly Effect[] }
  | { readonly status: 'completed'; readonly path: readonly string[]; readonly result: JsonObject }
  | { readonly status: 'failed' | 'cancelled'; readonly path: readonly string[]; readonly problem: Problem };

export interface Blueprint {
  readonly name: string;
  readonly initialState: string;
  /** Undefined when the event means nothing in that state, for example a result that comes twice. */
  step(job: { readonly state: string; readonly action: string }, event: JobEvent): Step | undefined;
}
