/**
 * Ends this process, also when a thread of it hangs in the system: process.exit() waits for the threads of libuv's pool, and one
 * that reads from, writes to or syncs a disk that does not answer never returns.
 */
import { type Clock, sleep, systemClock } from './clock.ts';

// As process.getActiveResourcesInfo() calls what waits for such a thread: files, and look-ups of names.
const inThreads = /^(?:FSReq|GetAddrInfoReq|GetNameInfoReq)/;

const threadsAtWork = (): boolean => process.getActiveResourcesInfo().some((kind) => inThreads.test(kind));

/** Ends it now: with that exit code, or by SIGKILL while a thread is at work. */
export function endThisProgram(code: number): never {
  if (threadsAtWork()) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

const lookMs = 20;

/** As endThisProgram, but first waits up to so many ms for the threads that are at work. */
export async function endThisProgramWithin(waitMs: number, code: number, clock: Clock = systemClock): Promise<never> {
  for (let waited = 0; waited < waitMs && threadsAtWork(); waited += lookMs) await sleep(clock, lookMs);
  return endThisProgram(code);
}
