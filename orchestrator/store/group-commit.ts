/**
 * Group commit: works that were asked for together are one batch, up to a thousand of them, and share one commit.
 *
 * 1. One batch at a time is under way. What is asked for meanwhile is the next one, which is decided when the one before has been
 *    answered: a decision is only ever built on what is on disk.
 * 2. A look sees no batch that is under way: with rows that are kept in memory it waits for it, otherwise it loads its own.
 */
import { attempt, reasonOf } from './attempt.ts';
import type { Backend, Committed } from './backend.ts';
import { workspaceOf } from './batch.ts';
import type { Queued } from './decide.ts';
import type { Reading, Tables } from './tables.ts';
import { NotLoaded, type Want, wantText } from './want.ts';
import type { Workspace } from './workspace/workspace.ts';

export interface GroupCommitParts {
  readonly backend: Backend;
  readonly rehearses: boolean;
  readonly committed: (committed: Committed, workspace: Workspace) => void;
}

export interface GroupCommit {
  /** `soon`: nobody waits for it; it shares the commit of what comes within some milliseconds. */
  change<T>(wants: readonly Want[], work: (tx: Tables) => T, when?: 'now' | 'soon'): Promise<T>;
  look<T>(wants: readonly Want[], work: (tx: Reading) => T): Promise<T>;
  /** Commits what is queued, and resolves when it was answered. */
  drain(): Promise<void>;
}

// A worker's reports and the next request then share a commit: for as long as one takes, within bounds that nobody notices.
const soonMs = 2;
const soonMaxMs = 8;
// For slow disks: callers that were answered together ask again together, and one that is late by a moment would wait for
// another whole commit. An eighth of what one takes, for at most this long, and only where there were several.
const gatherMaxMs = 4;
const gatherShare = 1 / 8;
const severalWorks = 4;
// Of one batch: what is decided and written at once holds the event loop, some tens of milliseconds for so many.
const worksMax = 1_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function createGroupCommit({ backend, rehearses, committed }: GroupCommitParts): GroupCommit {
  let queue: Queued[] = [];
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  let gather: NodeJS.Timeout | undefined;
  let gatherMs = 0;
  let commitMs = 0;
  /** While a batch is under way; never rejects. */
  let underWay: Promise<void> | undefined;
  /** Whether the next batch begins as soon as that one is answered. */
  let due = false;

  function flush(): void {
    clearImmediate(immediate);
    clearTimeout(timer);
    clearTimeout(gather);
    gather = undefined;
    immediate = undefined;
    timer = undefined;
    due = underWay !== undefined;
    if (due || queue.length === 0) return;
    const batch = queue.slice(0, worksMax);
    queue = queue.slice(worksMax);
    due = queue.length > 0;
    underWay = run(batch);
  }

  async function run(batch: readonly Queued[]): Promise<void> {
    const took = (ms: number) => {
      commitMs = ms;
      gatherMs = batch.length < severalWorks ? 0 : Math.floor(Math.min(ms * gatherShare, gatherMaxMs));
    };
    await attempt({ backend, rehearses, pause, committed, took }, batch);
    underWay = undefined;
    rejectLost();
    // Those who were answered go first.
    if (due) begin();
  }

  /** Once the backend answers nothing any more, nobody is kept waiting. */
  function rejectLost(): void {
    try {
      backend.assertAnswers();
    } catch (reason) {
      for (const { reject } of queue) reject(reason);
      queue = [];
    }
  }

  function begin(): void {
    if (underWay !== undefined) due = true;
    else if (gatherMs > 0) gather ??= setTimeout(flush, gatherMs);
    else immediate ??= setImmediate(flush);
  }

  async function keptLook<T>(workspace: Workspace, work: (tx: Reading) => T): Promise<T> {
    while (underWay !== undefined) await underWay;
    backend.assertAnswers();
    return lookAt(workspace, work);
  }

  async function loadedLook<T>(wants: readonly Want[], work: (tx: Reading) => T): Promise<T> {
    const all = new Map(wants.map((want) => [wantText(want), want]));
    for (;;) {
      const workspace = workspaceOf(await backend.load([...all.values()]));
      try {
        return lookAt(workspace, work);
      } catch (error) {
        if (!(error instanceof NotLoaded)) throw error;
        if (all.has(wantText(error.want))) throw new Error(`${error.message} though it was asked for`);
        all.set(wantText(error.want), error.want);
      }
    }
  }

  return {
    change<T>(wants: readonly Want[], work: (tx: Tables) => T, when: 'now' | 'soon' = 'now'): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        // The value comes back from the very `work` given here, so its type is T.
        queue.push({ work, wants, resolve: resolve as (value: unknown) => void, reject });
        if (when === 'soon') timer ??= setTimeout(flush, Math.min(Math.max(soonMs, commitMs), soonMaxMs));
        else begin();
      });
    },
    async look(wants, work) {
      try {
        return await (backend.kept ? keptLook(backend.kept.workspace, work) : loadedLook(wants, work));
      } catch (error) {
        throw backend.judge(reasonOf(error));
      }
    },
    async drain() {
      while (queue.length > 0 || underWay !== undefined) {
        flush();
        await underWay;
      }
    },
  };
}

function lookAt<T>(workspace: Workspace, work: (tx: Reading) => T): T {
  const begun = workspace.undo.mark();
  try {
    const value = work(workspace.tables);
    if (workspace.undo.mark() > begun) throw new Error('a look has written to the tables');
    return value;
  } finally {
    workspace.undo.back(begun);
    workspace.release();
  }
}
