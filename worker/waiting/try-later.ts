/** Failures that pass by themselves: the other side is away or slow. Nothing is decided by them; the same is tried again. */
import type { Problem } from '#common/problem.ts';
import { EngineUnavailableError } from '../runtime/container-runtime.ts';
import { passingSystemFailure } from './system-failures.ts';
import { TimeLimitError } from './time-limit.ts';

export interface TryLaterOptions {
  readonly cause?: unknown;
  /** What to say when there is no more time to try. */
  readonly problem?: Problem;
  /** After so many failures in a row it is final; unless given, the deadline ends the trying. */
  readonly triesMax?: number;
}

/** What is needed cannot be had now. The message is for people: the middle of a sentence. */
export class TryLaterError extends Error {
  readonly problem: Problem | undefined;
  readonly triesMax: number;
  constructor(message: string, { cause, problem, triesMax }: TryLaterOptions = {}) {
    super(message, { cause });
    this.name = 'TryLaterError';
    this.problem = problem;
    this.triesMax = triesMax ?? Number.POSITIVE_INFINITY;
  }
}

export const passesByItself = (error: unknown): boolean =>
  error instanceof EngineUnavailableError ||
  error instanceof TimeLimitError ||
  error instanceof TryLaterError ||
  passingSystemFailure(error) !== undefined;

/** Why, for people; without what the engine's client said, which may name paths of this machine. */
export const explainPassing = (error: unknown): string =>
  error instanceof TimeLimitError || error instanceof TryLaterError
    ? error.message
    : (passingSystemFailure(error) ?? 'the container engine of the worker does not answer');

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
