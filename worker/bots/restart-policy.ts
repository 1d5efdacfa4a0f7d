/** What happens when a bot's process has ended on its own: stays ended, or is started again, and when. Pure. */
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';

export interface PolicyState {
  /** Consecutive ends with an error; the backoff grows with it. */
  readonly crashes: number;
}

/** How a process ended. */
export interface Ended {
  /** Undefined when nobody saw the end. */
  readonly exitCode: number | undefined;
  readonly oomKilled: boolean;
  /** How long it had run. */
  readonly ranMs: number;
  /** It ended because the engine (or the machine), or its worker, ended; not by its own doing. */
  readonly interruptedBy: 'engine' | 'worker' | undefined;
  /** What it could use; undefined where that is not known. */
  readonly memoryBytes?: number | undefined;
}

export type RestartVerdict =
  | { readonly kind: 'exited'; readonly policy: PolicyState; readonly reason: string }
  | { readonly kind: 'crash_loop'; readonly policy: PolicyState; readonly delayMs: number; readonly reason: string };

const backoff: Backoff = { firstMs: 1000, mostMs: 300_000, jitter: 0.25 };
const healthyMs = 600_000;

export const freshPolicy: PolicyState = { crashes: 0 };

/**
 * Exit code 0 means done. Everything else is retried after 1, 2, 4 ... 300 s, each shortened by up to 25 % at random
 * so that bots that fell together do not rise together; 10 minutes up reset the series. `random` is in [0, 1).
 */
export function afterEnd(ended: Ended, policy: PolicyState, random: number): RestartVerdict {
  const reason = describeEnd(ended);
  if (ended.interruptedBy === 'worker') return { kind: 'crash_loop', policy, delayMs: 0, reason };
  if (ended.interruptedBy === 'engine') {
    return { kind: 'crash_loop', policy, delayMs: backoffMs(backoff, 1, random), reason };
  }
  if (ended.exitCode === 0 && !ended.oomKilled) return { kind: 'exited', policy: freshPolicy, reason };
  const crashes = ended.ranMs >= healthyMs ? 0 : policy.crashes;
  const delayMs = backoffMs(backoff, crashes + 1, random);
  return { kind: 'crash_loop', policy: { crashes: crashes + 1 }, delayMs, reason };
}

const signalNames: Readonly<Record<number, string>> = {
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
};

/** One line for people, with the cure where one is known. */
export function describeEnd({ exitCode, oomKilled, interruptedBy, memoryBytes }: Omit<Ended, 'ranMs'>): string {
  if (interruptedBy === 'engine') return 'ended when its container engine or machine went down';
  if (interruptedBy === 'worker') return 'ended when its worker was stopped';
  if (oomKilled) return describeOutOfMemory(memoryBytes);
  if (exitCode === undefined) return 'ended while its worker was not running; its exit code is unknown';
  if (exitCode === 126) {
    return 'ended with exit code 126: its command is not executable; run chmod +x on it, or start it with its interpreter';
  }
  if (exitCode === 127) return 'ended with exit code 127: its command was not found';
  const signal = exitCode > 128 ? signalNames[exitCode - 128] : undefined;
  return signal ? `ended with exit code ${exitCode} (${signal})` : `ended with exit code ${exitCode}`;
}

const bytesInMb = 1024 * 1024;

/** The cure is twice the limit: less usually helps only for minutes. */
function describeOutOfMemory(memoryBytes: number | undefined): string {
  const limit = memoryBytes === undefined ? undefined : Math.round(memoryBytes / bytesInMb);
  return limit === undefined
    ? 'killed because it exceeded its memory limit; give it more with --memory'
    : `killed because it exceeded its memory limit of ${limit} MB; give it more, for example with --memory ${2 * limit}m`;
}
