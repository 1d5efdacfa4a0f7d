/** What the contract of the store needs of each backend. */
import type { Store } from '../../../orchestrator/store/store.ts';

export interface StoreHarness {
  /** One that is open. */
  readonly store: Store;
  /** Closes it, and opens what it has kept. */
  reopen(): Promise<Store>;
  /** From now on its disk is full, or is not any more. */
  fillDisk(full: boolean): void;
  /** Closes it and leaves nothing behind. */
  end(): Promise<void>;
}
