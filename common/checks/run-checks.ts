/** Makes checks beside each other, each within its own time: one that hangs or throws fails by itself, and says so. */
import type { Clock } from '../clock.ts';
import { ProblemError } from '../problem.ts';
import { TimeLimitError, withTimeLimit } from '../waiting/time-limit.ts';
import type { Check } from './check.ts';

export interface Checking<Name extends string> {
  readonly name: Name;
  /** How it turned out. It may take as long as it likes, and throw. */
  check(signal: AbortSignal): Omit<Check, 'name'> | Promise<Omit<Check, 'name'>>;
}

/** In the order of `checkings`. Each has `limitMs`. Rejects only with the reason of the signal. */
export function runChecks<Name extends string>(
  checkings: readonly Checking<Name>[],
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<readonly Check<Name>[]> {
  return Promise.all(
    checkings.map(async (checking) => {
      const { name } = checking;
      const make = async (limited: AbortSignal) => checking.check(limited);
      try {
        return { name, ...(await withTimeLimit(clock, `the check ${name}`, limitMs, signal, make)) };
      } catch (error) {
        signal.throwIfAborted();
        return { name, ok: false, ...explained(error, limitMs) };
      }
    }),
  );
}

/** Why a check could not be made. */
function explained(error: unknown, limitMs: number): Pick<Check, 'message' | 'hint'> {
  if (error instanceof TimeLimitError) {
    return { message: `It could not be checked: there was no answer within ${Math.round(limitMs / 1000)} s.` };
  }
  if (error instanceof ProblemError) return { message: error.problem.message, hint: error.problem.hint };
  const why = error instanceof Error ? error.message : String(error);
  return { message: `It could not be checked: ${why.trim().replace(/\.$/, '')}.` };
}
