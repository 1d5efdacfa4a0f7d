/**
 * What happens to processes and files of bots, as the system reports it instead of by polling: with many idle bots, a worker
 * would do nothing but poll.
 */
import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '#common/clock.ts';
import { Bell, pause } from '#common/waiting/bell.ts';
import { isErrno } from '../../state/atomic-file.ts';
import type { ContainerStore, StoredContainer } from './container-store.ts';
import { containerFiles } from './layout.ts';
import { logSizes } from './log-files.ts';
import { type Running, runningRun } from './runs.ts';

/** How often processes are looked at, each by one system call that reads nothing. */
const lookEveryMs = 250;
/** How long a bell rests after it rang: ten times as long as the look took, so that bots that print much leave the worker to others. */
const bellRestMs = { least: 10, most: 150 };
/** Where folders cannot be watched: how often they are looked into. */
const withoutWatchMs = 500;
/** In how many looks each container is looked at closely once, whatever the calls said: about 10 s. */
const looksPerRound = 40;

/** Containers that this worker has acted on, or that ended; the watch looks at these. */
export interface Changes {
  readonly bell: Bell;
  note(id: string): void;
  take(): readonly string[];
}

export function createChanges(): Changes {
  const ids = new Set<string>();
  const bell = new Bell();
  return {
    bell,
    note(id) {
      ids.add(id);
      bell.ring();
    },
    take() {
      const taken = [...ids];
      ids.clear();
      return taken;
    },
  };
}

/** False once the process has ended and its parent knows. Another one may have got its number since. */
function mayRun(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}

export interface RunHooks {
  onStart(id: string): void;
  onEnd(id: string): void;
  /** Now and then, for each that runs. */
  tidy(container: StoredContainer): Promise<void>;
}

/** Reports runs that begin and end, until aborted. */
export async function watchRuns(
  store: ContainerStore,
  changes: Changes,
  clock: Clock,
  hooks: RunHooks,
  signal: AbortSignal,
): Promise<void> {
  const seen = new Map<string, Running & { readonly container: StoredContainer }>();
  const look = async (container: StoredContainer, isFirst: boolean) => {
    const { id } = container;
    const was = seen.get(id);
    const is = await runningRun(container.folder);
    if (is === undefined) seen.delete(id);
    else seen.set(id, { ...is, container });
    if (is !== undefined) await hooks.tidy(container);
    if (isFirst || was?.startedAtMs === is?.startedAtMs) return;
    if (was !== undefined) hooks.onEnd(id);
    if (is !== undefined) hooks.onStart(id);
  };
  for (const container of await store.list()) await look(container, true);
  let turn = 0;
  while ((await changes.bell.wait({ clock, afterMs: lookEveryMs, signal })) !== 'aborted') {
    const due = new Set(changes.take());
    turn = (turn + 1) % looksPerRound;
    let place = 0;
    for (const [id, { pid }] of seen) {
      if (place % looksPerRound === turn || !mayRun(pid)) due.add(id);
      place += 1;
    }
    for (const id of due) {
      const container = seen.get(id)?.container ?? (await store.find(id));
      if (container) await look(container, false);
    }
  }
}

/** Rings whenever the container has printed something, and for its end; returns then, or when aborted. */
export async function watchPrinting(
  container: StoredContainer,
  ring: () => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const files = containerFiles(container.folder);
  let last = '';
  while (!signal.aborted) {
    // Watched from before the look, so that nothing comes between the two.
    const touched = watchFolder(container.folder);
    const beganMs = clock.monotonicMs();
    let tookMs = 0;
    try {
      // First the end, then the sizes: the last output is rung for.
      const running = await runningRun(container.folder);
      const sizes = await logSizes(files);
      tookMs = clock.monotonicMs() - beganMs;
      if (sizes !== last) ring();
      else if (running !== undefined) await touched.wait(() => mayRun(running.pid), clock, signal);
      last = sizes;
      if (running === undefined) return;
    } finally {
      touched.close();
    }
    await pause(clock, Math.min(Math.max(10 * tookMs, bellRestMs.least), bellRestMs.most), signal);
  }
}

/** One watch of a folder: it reports the first change only, since a bot may write a million times a second. */
function watchFolder(folder: string) {
  const bell = new Bell();
  let watcher: FSWatcher | undefined;
  const close = () => {
    watcher?.close();
    watcher = undefined;
  };
  try {
    watcher = watch(folder, { persistent: false }, () => {
      close();
      bell.ring();
    });
    watcher.on('error', () => {
      close();
      bell.ring();
    });
  } catch {
    // No watches are left on this system, or the folder has just gone: the wait below ends on its own.
  }
  return {
    close,
    /** Returns after a change, when the process has ended, or when aborted. */
    async wait(runs: () => boolean, clock: Clock, signal: AbortSignal): Promise<void> {
      if (watcher === undefined) {
        await bell.wait({ clock, afterMs: withoutWatchMs, signal });
        return;
      }
      while (runs()) {
        if ((await bell.wait({ clock, afterMs: lookEveryMs * 2, signal })) !== 'timeout') return;
      }
    },
  };
}
