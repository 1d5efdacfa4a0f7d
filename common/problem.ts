/**
 * An expected failure as a value: what went wrong, and what to do about it.
 * Pure code returns problems; edges throw them as ProblemError and turn them into HTTP, Connect or gRPC errors.
 * Invariant: no problem holds a secret, a host path or another user's data.
 */
import type { Json, JsonObject } from './json.ts';
import { type ProblemCode, type ProblemKind, problemCodes } from './problem-codes.ts';
import { problemExamples } from './problem-examples.ts';

export interface Problem {
  readonly code: ProblemCode;
  /** One sentence in plain English. */
  readonly message: string;
  /** Facts for programs; the field at fault is `field`. */
  readonly details: JsonObject;
  /** What to do about it, in the words of requests: fields in double quotes. The CLI puts its options in their place. */
  readonly hint: string;
  /** A request or command that would work. */
  readonly example: Json;
  readonly retryable: boolean;
}

export interface ProblemExtras {
  readonly details?: JsonObject;
  readonly hint?: string;
  readonly example?: Json;
}

/** A problem with the code's own cure as hint, and its own example, unless more exact ones are given. */
export function problem(code: ProblemCode, message: string, extras: ProblemExtras = {}): Problem {
  const kind: ProblemKind = problemCodes[code];
  return {
    code,
    message,
    details: extras.details ?? {},
    hint: extras.hint ?? kind.cure,
    example: extras.example ?? problemExamples[code],
    retryable: kind.retryable === true,
  };
}

/** Carries a problem through code that throws. `cause` is for logs and never leaves the process. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(value: Problem, options?: { cause?: unknown }) {
    super(value.message, options);
    this.name = 'ProblemError';
    this.problem = value;
  }
}

/** Throws a new problem; shorter than `throw new ProblemError(problem(...))` at edges. */
export function refuse(code: ProblemCode, message: string, extras: ProblemExtras & { cause?: unknown } = {}): never {
  throw new ProblemError(
    problem(code, message, extras),
    extras.cause === undefined ? undefined : { cause: extras.cause },
  );
}

/** What parsing and checking return: a value, or the first problem met. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });
export const fail = (value: Problem): { readonly ok: false; readonly problem: Problem } => ({
  ok: false,
  problem: value,
});

/** The value of a result; throws ProblemError for a problem. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
