/**
 * Who owns /data in the volumes of bots, as far as this process knows, and whether that still holds when the next container is
 * made: an operator may have put a backup there meanwhile. Only a look into a created container tells for certain. That is a matter of
 * a few milliseconds with engines of today; Docker 20.10 starts itself once more for it, which takes longer than all that a start adds to the
 * engine's own work. But what that engine reports as the creation of a volume is the time at which its folder last changed
 * (st_ctime of inode(7): also by a change of owner or mode), in whole seconds.
 */
import type { Clock } from '#common/clock.ts';
import { record, text } from './answers.ts';
import { type EngineClient, startsItselfToCopy } from './engine-client.ts';

export interface DataOwners {
  /** By the last container that was made with the volume here; undefined when it was root. */
  of(volume: string): number | undefined;
  set(volume: string, uid: number): void;
  forget(volume: string): void;
  /** A container with that volume has just been removed. Does not wait, and never throws. */
  left(volume: string, signal: AbortSignal): void;
  /**
   * Whether it is certain that nobody has changed the folder since `left`. Ask before a container is created, which may change
   * an empty one.
   */
  isAsLeft(volume: string, signal: AbortSignal): Promise<boolean>;
}

// Times are whole seconds: a folder that changed a moment ago can change again without a trace.
const settledMs = 2000;

export function createDataOwners(engine: EngineClient, clock: Clock): DataOwners {
  const uids = new Map<string, number>();
  const marks = new Map<string, Promise<string | undefined>>();

  /** When the folder last changed; undefined where that is not known, or too recent to tell anything. */
  const changedAt = async (volume: string, signal: AbortSignal): Promise<string | undefined> => {
    try {
      if (!(await startsItselfToCopy(engine, signal))) return undefined;
      const nowMs = clock.wallMs();
      const path = `/volumes/${encodeURIComponent(volume)}`;
      const at = text(record(await engine.call({ method: 'GET', path }, signal))['CreatedAt']);
      return Date.parse(at) + settledMs <= nowMs ? at : undefined;
    } catch {
      // Not known: then /data is looked at, and what keeps the engine from answering shows there.
      return undefined;
    }
  };
  return {
    of: (volume) => uids.get(volume),
    set(volume, uid) {
      uids.set(volume, uid);
    },
    forget(volume) {
      uids.delete(volume);
      marks.delete(volume);
    },
    left(volume, signal) {
      if (uids.has(volume)) marks.set(volume, changedAt(volume, signal));
    },
    async isAsLeft(volume, signal) {
      const before = await marks.get(volume);
      marks.delete(volume);
      return before !== undefined && before === (await changedAt(volume, signal));
    },
  };
}
