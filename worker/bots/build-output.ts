/** Gathers build output into batches of 64 KiB or 25 ms, bounded: a build that floods loses lines, with a mark, not memory. */
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';

export interface BuildOutput {
  add(line: string): void;
  /** Hands over what is left. */
  close(): Promise<void>;
}

const batchBytes = 64 * 1024;
const batchMs = 25;
const mostWaitingBytes = 1024 * 1024;

/** `store` gets batches one after the other; what it throws costs the batch and is counted as lost. */
export function createBuildOutput(clock: Clock, store: (lines: readonly string[]) => Promise<void>): BuildOutput {
  let waiting: string[] = [];
  let waitingBytes = 0;
  let lost = 0;
  let cancelTimer: (() => void) | undefined;
  let storing: Promise<void> | undefined;

  const storeAll = async () => {
    while (waiting.length > 0 || lost > 0) {
      const lines = waiting;
      const missing = lost;
      waiting = [];
      waitingBytes = 0;
      lost = 0;
      const batch = missing > 0 ? [...lines, `[${missing} lines of build output were left out]`] : lines;
      try {
        await store(batch);
      } catch {
        // The disk is full or the log is gone. The build must continue; the next batch that can be stored reports the loss.
        lost = missing + lines.length;
        return;
      }
    }
  };
  const flush = () => {
    cancelTimer?.();
    cancelTimer = undefined;
    storing ??= storeAll().finally(() => {
      storing = undefined;
    });
    return storing;
  };

  return {
    add(line) {
      const bytes = Buffer.byteLength(line);
      if (waitingBytes + bytes > mostWaitingBytes) {
        lost += 1;
        return;
      }
      waiting.push(line);
      waitingBytes += bytes;
      // storeAll keeps what it could not store, and rejects with nothing.
      if (waitingBytes >= batchBytes) inBackground(flush(), () => undefined);
      else cancelTimer ??= clock.after(batchMs, () => inBackground(flush(), () => undefined));
    },
    async close() {
      await flush();
      if (waiting.length > 0) await flush();
    },
  };
}
