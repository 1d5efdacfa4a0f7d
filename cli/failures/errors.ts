/**
 * Everything that can end a command early, as one value with its exit code. What comes from the orchestrator or the network
 * becomes one in wire/refusals.ts.
 */
import type { Json, JsonObject } from '#common/json.ts';
import { type Problem, ProblemError, type Result } from '#common/problem.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

/** What is shown of a failure. Texts may come from other machines: escape them where they are printed. */
export interface Complaint {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly details: JsonObject;
  readonly example: Json;
  /** The bot that it is about, for hint and example; empty where there is none. */
  readonly botId: string;
  /** The command that was given, such as "worker list"; absent where none was. */
  readonly command?: string;
  /** True for what was found on this side: message and cure fit in one line. */
  readonly short: boolean;
}

export class CliError extends Error {
  readonly complaint: Complaint;
  constructor(complaint: Complaint, options?: { cause?: unknown }) {
    super(complaint.message, options);
    this.name = 'CliError';
    this.complaint = complaint;
  }
}

/** The reason of an abort by a signal of the operating system. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** A mistake found on this side, reported in one line: what is wrong, and the cure. */
export function complain(exitCode: ExitCode, code: string, message: string, hint: string): CliError {
  return new CliError({ exitCode, code, message, hint, details: {}, example: null, botId: '', short: true });
}

/** The value of something that was read from the command line; a problem with it is a usage error. */
export function unwrapWords<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new CliError({ ...complaintOfProblem(result.problem), exitCode: exitCodes.usage, short: true });
}

export function complaintOfProblem(problem: Problem): Complaint {
  const { code, message, hint, details, example } = problem;
  const notAllowed = code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
  const exitCode = notAllowed ? exitCodes.unauthorised : exitCodes.failed;
  return { exitCode, code, message, hint, details, example, botId: '', short: false };
}

/** What this program itself throws, as a complaint; undefined for everything else. */
export function ownComplaint(error: unknown): Complaint | undefined {
  if (error instanceof CliError) return error.complaint;
  return error instanceof ProblemError ? { ...complaintOfProblem(error.problem), short: true } : undefined;
}
