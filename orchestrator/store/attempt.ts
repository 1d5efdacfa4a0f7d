/**
 * Takes a batch from its works to the disk: load, decide, commit, as often as it takes.
 *
 * 1. A work that touches what is not loaded makes the batch run again when it is; all of a run is as of one moment.
 * 2. A conflict makes it run again on what is there now, after a pause that grows; a batch of several is halved after two.
 * 3. When nobody knows whether a commit happened, the backend is asked until it knows; nothing is repeated before. One that did not
 *    happen is a conflict.
 * 4. A batch that finds no room on the disk is halved, until those of its works are found that fit.
 * 5. Works are answered when the batch is on disk, each once.
 */
import { randomUUID } from 'node:crypto';
import { ProblemError, problem } from '#common/problem.ts';
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';
import { isStorageFull } from '../core/no-room.ts';
import { type Backend, type Committed, Conflict, Unavailable } from './backend.ts';
import { batchOf, workspaceOf } from './batch.ts';
import { type BatchDecision, decide, type Queued } from './decide.ts';
import { type Want, wantText } from './want.ts';
import type { Workspace } from './workspace/workspace.ts';

export interface AttemptParts {
  readonly backend: Backend;
  readonly rehearses: boolean;
  readonly pause: (ms: number) => Promise<void>;
  /** Called with the time that a commit took, ms. */
  readonly took: (ms: number) => void;
  /** Called after each commit, when the works of it have been answered. */
  readonly committed: (committed: Committed, workspace: Workspace) => void;
}

const halvedAfter = 2;
const conflictsMax = 30;
const askedMax = 60;
// A work that looks through many rows one by one is run once for each that nobody has named.
const loadsMax = 10_000;
// Those that ran into each other do not come back together.
const again: Backoff = { firstMs: 1, mostMs: 200, jitter: 1 };
const ask: Backoff = { firstMs: 5, mostMs: 1_000 };

interface Run {
  readonly workspace: Workspace;
  readonly decided: BatchDecision;
  readonly versions: ReadonlyMap<string, number>;
}

const noVersions: ReadonlyMap<string, number> = new Map();

/** Resolves when every work of it was answered; never rejects. */
export async function attempt(parts: AttemptParts, batch: readonly Queued[]): Promise<void> {
  const wants = new Map(batch.flatMap((item) => item.wants).map((want) => [wantText(want), want]));
  for (let conflicts = 0; ; ) {
    let run: Run | undefined;
    try {
      parts.backend.assertAnswers();
      run = parts.backend.kept
        ? keptRun(parts, parts.backend.kept.workspace, batch)
        : await loadedRun(parts, batch, wants);
      const committed = await commit(parts, run);
      return answer(parts, run, committed);
    } catch (error) {
      // What was taken not to exist does, perhaps: all that was looked at is loaded the next time.
      for (const [text, want] of run?.workspace.loading.touched ?? []) wants.set(text, want);
      run?.workspace.discard();
      run?.workspace.release();
      // What is small may still find room when it does not share its commit with what is large.
      if (isStorageFull(error) && batch.length > 1) return halved(parts, batch);
      if (!(error instanceof Conflict)) return rejectAll(batch, parts.backend.judge(reasonOf(error)));
      conflicts += 1;
      if (conflicts >= conflictsMax) return rejectAll(batch, tooBusy());
      await parts.pause(backoffMs(again, conflicts, Math.random()));
      if (conflicts >= halvedAfter && batch.length > 1) return halved(parts, batch);
    }
  }
}

async function halved(parts: AttemptParts, batch: readonly Queued[]): Promise<void> {
  const half = batch.length >> 1;
  await attempt(parts, batch.slice(0, half));
  await attempt(parts, batch.slice(half));
}

/** Everything that is alive is there; what else is needed is loaded as it is looked at. */
function keptRun(parts: AttemptParts, workspace: Workspace, batch: readonly Queued[]): Run {
  return { workspace, decided: decide(workspace, batch, optionsOf(parts)), versions: noVersions };
}

const optionsOf = ({ rehearses, backend }: AttemptParts) => ({
  rehearses,
  judge: (error: unknown) => backend.judge(error),
});

async function loadedRun(parts: AttemptParts, batch: readonly Queued[], wants: Map<string, Want>): Promise<Run> {
  for (let loads = 0; loads < loadsMax; loads++) {
    const loaded = await parts.backend.load([...wants.values()]);
    const workspace = workspaceOf(loaded);
    const decided = decide(workspace, batch, optionsOf(parts));
    if (decided.missing.length === 0) return { workspace, decided, versions: loaded.versions };
    for (const want of decided.missing) wants.set(wantText(want), want);
  }
  throw new Error(`a work still asks for rows after ${loadsMax} loads: ${[...wants.keys()].at(-1)}`);
}

/** Undefined when there is nothing to commit. */
async function commit({ backend, pause, took }: AttemptParts, run: Run): Promise<Committed | undefined> {
  if (!run.workspace.hasChanges()) return undefined;
  const id = randomUUID();
  try {
    const begun = performance.now();
    const committed = await backend.commit(batchOf(run.workspace, id, run.versions));
    took(performance.now() - begun);
    return committed;
  } catch (error) {
    if (!(error instanceof Unavailable) || !error.maybe) throw error;
    const committed = await whatBecameOf(backend, pause, id, error);
    if (committed === undefined) throw new Conflict('its commit did not arrive');
    return committed;
  }
}

/** What became of a batch, asked until it is known; in the end throws `unknown`. */
async function whatBecameOf(
  backend: Backend,
  pause: AttemptParts['pause'],
  id: string,
  unknown: Unavailable,
): Promise<Committed | undefined> {
  for (let asked = 1; asked < askedMax; asked++) {
    try {
      return await backend.outcome(id);
    } catch (failure) {
      if (!(failure instanceof Unavailable)) throw failure;
      await pause(backoffMs(ask, asked));
    }
  }
  throw unknown;
}

function answer(parts: AttemptParts, { workspace, decided }: Run, committed: Committed | undefined): void {
  workspace.keep();
  workspace.release();
  for (const each of decided.answers) each();
  if (committed === undefined) return;
  try {
    parts.committed(committed, workspace);
  } catch (error) {
    // What was written is on disk; listeners read it after the next commit.
    parts.backend.judge(error);
  }
}

function rejectAll(batch: readonly Queued[], reason: unknown): void {
  for (const { reject } of batch) reject(reason);
}

/** The error for the caller of what could not be carried out. */
export function reasonOf(error: unknown): unknown {
  if (!(error instanceof Unavailable)) return error;
  const what = error.maybe
    ? 'The store of the orchestrator does not answer, so that it is not known what was stored.'
    : 'The store of the orchestrator does not answer; nothing was changed.';
  return new ProblemError(problem('UNAVAILABLE', what, { hint: 'Try again in a few seconds.' }), { cause: error });
}

const tooBusy = () =>
  new ProblemError(
    problem('UNAVAILABLE', 'The store was too busy with what this request is about; nothing was changed.', {
      hint: 'Try again in a few seconds.',
    }),
  );
