/** A disk that finishes syncs when a test wants it to. */
import { type Disk, systemDisk } from '../log-sync.ts';

export class HeldDisk implements Pick<Disk, 'sync'> {
  #held: PromiseWithResolvers<void> | undefined;
  /** Syncs that were begun. */
  syncs = 0;

  readonly sync = async (file: number): Promise<void> => {
    this.syncs += 1;
    await this.#held?.promise;
    await systemDisk.sync(file);
  };

  /** Syncs from now on do not end. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** Those that are held fail, and later ones do not: as the kernel, which reports a failed write once. */
  fail(): void {
    this.#held?.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
    this.#held = undefined;
  }
}
