/** Names the boot of this machine: processes that see the same one share its monotonic clock. */
import { readFileSync } from 'node:fs';

/** Undefined on systems that do not report it; see "random" in https://man7.org/linux/man-pages/man5/proc.5.html. */
export function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined;
  } catch {
    // Then a restart of the program is bridged by the wall clock.
    return undefined;
  }
}
