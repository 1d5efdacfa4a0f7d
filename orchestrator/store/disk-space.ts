/**
 * What the disk of the store has left. Where little is left, nothing large is taken any more, so that what is small (a stop, a delete,
 * what a worker reports) still finds room: reserve.ts.
 *
 * Invariant: while it is low, each request for room looks at the disk again, so that nobody waits once there is space.
 */
import { statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Logger } from '#common/log.ts';
import { noRoom } from '../core/no-room.ts';

export interface DiskSpace {
  /** For a program without privileges. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export type LookAtDisk = () => Promise<DiskSpace>;

export const lookAt =
  (path: string): LookAtDisk =>
  async () => {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  };

/** The same at once, for the opening. */
export function diskNow(path: string): DiskSpace {
  const { bavail, blocks, bsize } = statfsSync(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

const mib = 1024 * 1024;
// Of a disk of half a gigabyte or more, and a sixteenth of a smaller one.
const lowMaxBytes = 32 * mib;
const lowShare = 1 / 16;
// Much more could be taken by somebody else before the disk is looked at again.
const tightFactor = 16;
// A disk that is just below the mark would otherwise be low and not low in turns.
const enoughFactor = 1.25;
// What was seen of the disk is believed for so long, while it is not low.
const seenMs = 250;

const lowBytesOf = (totalBytes: number): number => Math.min(lowMaxBytes, totalBytes * lowShare);

export interface StoreSpaceParts {
  readonly look: LookAtDisk;
  readonly logger: Logger | undefined;
  /** Called with every change. */
  readonly changed: (isLow: boolean) => void;
  readonly nowMs?: () => number;
}

/** Whether so little is left that nothing large is to be written. `wasLow`: whether it was so before. */
export const isLowOn = ({ freeBytes, totalBytes }: DiskSpace, wasLow = false): boolean =>
  freeBytes < lowBytesOf(totalBytes) * (wasLow ? enoughFactor : 1);

export class StoreSpace {
  readonly #parts: StoreSpaceParts;
  #isLow = false;
  #isTight = true;
  #seenAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(parts: StoreSpaceParts) {
    this.#parts = parts;
  }

  get isLow(): boolean {
    return this.#isLow;
  }

  /** Whether what is left may be gone within seconds. */
  get isTight(): boolean {
    return this.#isTight;
  }

  /** For people; undefined while there is room. */
  get trouble(): string | undefined {
    return this.#isLow ? almostFull : undefined;
  }

  /** A write has found no room. */
  ranOut(): void {
    this.#set(true);
  }

  /** Rejects with STORAGE_FULL while there is no room for anything large. */
  async assertRoom(): Promise<void> {
    const { nowMs = () => performance.now() } = this.#parts;
    if (this.#isLow || nowMs() - this.#seenAt > seenMs) await this.refresh();
    if (this.#isLow) throw noRoom();
  }

  /** Looks at the disk; those that ask meanwhile share the look. Never rejects: a disk that cannot be asked is left as it was. */
  refresh(): Promise<void> {
    this.#looking ??= this.#refresh().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #refresh(): Promise<void> {
    const { look, logger, nowMs = () => performance.now() } = this.#parts;
    try {
      const space = await look();
      this.#seenAt = nowMs();
      this.#isTight = space.freeBytes < lowBytesOf(space.totalBytes) * tightFactor;
      this.#set(isLowOn(space, this.#isLow));
    } catch (error) {
      this.#seenAt = nowMs();
      logger?.warn({ err: error }, 'the free space of the store cannot be determined');
    }
  }

  #set(isLow: boolean): void {
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    if (isLow) this.#parts.logger?.error({}, almostFull);
    else this.#parts.logger?.info({}, 'the disk of the store has room again');
    this.#parts.changed(isLow);
  }
}

const almostFull =
  'the disk of the store is almost full: starts, updates and uploads are refused until there is space on the disk that holds DATA_DIR';
