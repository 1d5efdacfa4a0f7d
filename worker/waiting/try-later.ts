/** Failures that pass by themselves: the other side is away or slow. Nothing is decided by them; the same is tried again. */
import { type Problem, ProblemError } from '#common/problem.ts';
import { EngineUnavailableError } from '../runtime/container-runtime.ts';
import { passingSystemFailure } from './system-failures.ts';
import { TimeLimitError } from './time-limit.ts';

/** What is needed cannot be had now. The message is for people: the middle of a sentence. */
export class TryLaterError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TryLaterError';
  }
}

/** A problem that may pass: it is told when there is no more time to try, or after `triesMax` failures in a row. */
export class PassingProblemError extends ProblemError {
  readonly triesMax: number;
  constructor(problem: Problem, triesMax: number, options?: { cause?: unknown }) {
    super(problem, options);
    this.name = 'PassingProblemError';
    this.triesMax = triesMax;
  }
}

export const passesByItself = (error: unknown): boolean =>
  error instanceof EngineUnavailableError ||
  error instanceof TimeLimitError ||
  error instanceof TryLaterError ||
  error instanceof PassingProblemError ||
  passingSystemFailure(error) !== undefined;

/** Why, for people; without what the engine's client said, which may name paths of this machine. */
export function explainPassing(error: unknown): string {
  if (error instanceof TimeLimitError || error instanceof TryLaterError) return error.message;
  if (error instanceof PassingProblemError) return inSentence(error.problem.message);
  return passingSystemFailure(error) ?? 'the container engine of the worker does not answer';
}

/** "The server broke off." within another sentence. */
const inSentence = (text: string): string => `${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, '')}`;

const firstPauseMs = 500;
const longestPauseMs = 5000;

/** How long to wait after this many failures in a row. */
export const pauseAfterFailures = (failures: number): number =>
  Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);

const longestRetryMs = 30_000;

/**
 * How long to wait before the same is asked of another machine again: doubles from 0.5 s to 30 s, each up to a quarter
 * shorter. `random` is in [0, 1).
 */
export const retryPauseMs = (failures: number, random: number): number =>
  Math.round(Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestRetryMs) * (1 - 0.25 * random));
