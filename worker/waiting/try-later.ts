/** Failures that pass by themselves: the other side is away or slow. Nothing is decided by them; the same is tried again. */
import { EngineUnavailableError } from '../runtime/container-runtime.ts';
import { TimeLimitError } from './time-limit.ts';

/** What is needed cannot be had now. The message is for people. */
export class TryLaterError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TryLaterError';
  }
}

export const passesByItself = (error: unknown): boolean =>
  error instanceof EngineUnavailableError || error instanceof TimeLimitError || error instanceof TryLaterError;

/** Why, for people; without what the engine's client said, which may name paths of this machine. */
export const explainPassing = (error: unknown): string =>
  error instanceof TimeLimitError || error instanceof TryLaterError
    ? error.message
    : 'the container engine of the worker does not answer';

const firstPauseMs = 500;
const longestPauseMs = 5000;

/** How long to wait after this many failures in a row. */
export const pauseAfterFailures = (failures: number): number =>
  Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
