/** Runs the works of a batch one after the other on one workspace. One that throws is taken back, and rejected alone. */
import { outcomeOf } from './rehearsal.ts';
import type { Tables } from './tables.ts';
import { NotLoaded, type Want } from './want.ts';
import type { Workspace } from './workspace/workspace.ts';

/** A work that waits for its batch. */
export interface Queued {
  readonly work: (tx: Tables) => unknown;
  readonly wants: readonly Want[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export interface BatchDecision {
  /** Answers each of the works, in order; to be called when the batch is on disk. */
  readonly answers: readonly (() => void)[];
  /** What has to be loaded before any of it counts. */
  readonly missing: readonly Want[];
}

export interface DecideOptions {
  /** Runs every work twice, from the same beginning, and fails one that does not do the same: for tests. */
  readonly rehearses: boolean;
  /** The error for the caller. */
  readonly judge: (error: unknown) => unknown;
}

export function decide(workspace: Workspace, batch: readonly Queued[], options: DecideOptions): BatchDecision {
  const answers: (() => void)[] = [];
  const missing: Want[] = [];
  for (const item of batch) {
    const begun = workspace.undo.mark();
    try {
      const value = options.rehearses ? rehearsed(workspace, item, begun) : item.work(workspace.tables);
      answers.push(() => item.resolve(value));
    } catch (error) {
      workspace.undo.back(begun);
      if (error instanceof NotLoaded) missing.push(error.want);
      else {
        const reason = options.judge(error);
        answers.push(() => item.reject(reason));
      }
    }
  }
  return { answers, missing };
}

function rehearsed(workspace: Workspace, { work }: Queued, begun: number): unknown {
  const first = outcomeOf(() => work(workspace.tables), workspace);
  workspace.undo.back(begun);
  const second = outcomeOf(() => work(workspace.tables), workspace);
  if (first.text !== second.text) {
    throw new Error(`a work did not do the same when it was run again:\n${first.text}\n${second.text}`);
  }
  if (second.failed) throw second.error;
  return second.value;
}
