/** Which failures pass on their own, how they are explained, and how long to wait before a retry. Pure. */
import { type Problem, ProblemError } from '#common/problem.ts';
import { backoffMs } from '#common/waiting/backoff.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { transientSystemFailure } from './system-failures.ts';

/** A problem that may pass: it is reported when there is no more time to try, or after `triesMax` failures in a row. */
export class TransientProblemError extends ProblemError {
  readonly triesMax: number;
  constructor(problem: Problem, triesMax: number, options?: { cause?: unknown }) {
    super(problem, options);
    this.name = 'TransientProblemError';
    this.triesMax = triesMax;
  }
}

export const isTransient = (error: unknown): boolean =>
  error instanceof TransientError ||
  error instanceof TransientProblemError ||
  transientSystemFailure(error) !== undefined;

/** Why, for people; without what the engine's client said, which may name paths of this machine. */
export function explainTransient(error: unknown): string {
  if (error instanceof TransientError) return error.explanation;
  if (error instanceof TransientProblemError) return inSentence(error.problem.message);
  return transientSystemFailure(error) ?? engineIsAway;
}

/** "The server broke off." within another sentence. */
const inSentence = (text: string): string => `${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, '')}`;

const engineIsAway = 'the container engine of the worker does not answer';

/** How long to wait after this many failures in a row: doubles from 0.5 s to 5 s. */
export const pauseAfterFailures = (failures: number): number => backoffMs({ firstMs: 500, mostMs: 5_000 }, failures);

/**
 * How long to wait before the same is asked of another machine again: doubles from 0.5 s to 30 s, each up to a quarter
 * shorter. `random` is in [0, 1).
 */
export const retryPauseMs = (failures: number, random: number): number =>
  backoffMs({ firstMs: 500, mostMs: 30_000, jitter: 0.25 }, failures, random);
