/**
 * Everything that can end a command early, as one value with its exit code: refusals of the orchestrator, an orchestrator
 * that cannot be reached, mistakes found before anything was sent.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { type Json, type JsonObject, type Problem, ProblemError, type Result } from '#common/problem.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import { type ErrorDetail, ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type ExitCode, exitCodes } from './exit-codes.ts';

/** What is shown of a failure. Texts may come from other machines: escape them where they are printed. */
export interface Complaint {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly details: JsonObject;
  readonly example: Json;
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

/** A mistake found on this side, told in one line: what is wrong, and the cure. */
export function complain(exitCode: ExitCode, code: string, message: string, hint: string): CliError {
  return new CliError({ exitCode, code, message, hint, details: {}, example: null, short: true });
}

/** The value of something that was read from the command line; a problem with it is a usage error. */
export function unwrapWords<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new CliError({ ...complaintOfProblem(result.problem), exitCode: exitCodes.usage, short: true });
}

/** A failed job's error, or a refusal, as the orchestrator told it. */
export function complaintOfDetail(detail: ErrorDetail): Complaint {
  const known = problemFromProto(detail);
  // A code that is newer than this program is shown as it came.
  return { ...complaintOfProblem(known), code: detail.code || known.code };
}

export function complaintOfProblem(problem: Problem): Complaint {
  const { code, message, hint, details, example } = problem;
  const notAllowed = code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
  const exitCode = notAllowed ? exitCodes.unauthorised : exitCodes.failed;
  return { exitCode, code, message, hint, details, example, short: false };
}

/** The typed detail of an error of ours; undefined for errors of the network or of another server. */
export const detailOf = (error: unknown): ErrorDetail | undefined =>
  error instanceof ConnectError ? error.findDetails(ErrorDetailSchema)[0] : undefined;

/** Whether the connection or the orchestrator went away, so that the same stream may be opened again. */
export function isBrokenStream(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  const detail = detailOf(error);
  if (detail !== undefined) return detail.retryable || error.code === Code.Unavailable || error.code === Code.Aborted;
  switch (error.code) {
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Internal:
    case Code.Unknown:
    case Code.DeadlineExceeded:
    // The other side reset the stream; our own cancelling is seen by the signal before this is asked.
    case Code.Canceled:
      return true;
    default:
      return false;
  }
}

/** Any thrown value as a complaint; undefined for a bug, which has no cure to tell. */
export function toComplaint(error: unknown, url: string): Complaint | undefined {
  if (error instanceof CliError) return error.complaint;
  if (error instanceof ProblemError) return { ...complaintOfProblem(error.problem), short: true };
  if (!(error instanceof ConnectError)) return undefined;
  const detail = detailOf(error);
  return detail === undefined ? complaintOfWire(error, url) : complaintOfDetail(detail);
}

/** An error without our detail: the network failed, or what answered is not a Bot Runner orchestrator. */
function complaintOfWire(error: ConnectError, url: string): Complaint {
  const one = (exitCode: ExitCode, code: string, message: string, hint: string): Complaint =>
    complain(exitCode, code, message, hint).complaint;
  switch (error.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return one(
        exitCodes.unauthorised,
        'UNAUTHENTICATED',
        `${url} does not accept the token.`,
        'Check AVTOMATIKA_TOKEN or --token.',
      );
    case Code.DeadlineExceeded:
      return one(
        exitCodes.unreachable,
        'UNREACHABLE',
        `${url} did not answer in time.`,
        'Check the network, and that the orchestrator is running.',
      );
    case Code.Unavailable:
    case Code.Aborted:
      return one(
        exitCodes.unreachable,
        'UNREACHABLE',
        `The orchestrator at ${url} cannot be reached (${networkReason(error)}).`,
        'Start it with "npm start", or set AVTOMATIKA_URL or --url to its address.',
      );
    default:
      return one(
        exitCodes.unreachable,
        'UNREACHABLE',
        `${url} did not answer as a Bot Runner orchestrator (${networkReason(error)}).`,
        'Check AVTOMATIKA_URL or --url.',
      );
  }
}

/** The innermost error code of Node.js, for example ECONNREFUSED; else the message. */
function networkReason(error: ConnectError): string {
  let reason: unknown = error;
  let code: string | undefined;
  for (let depth = 0; depth < 8 && reason instanceof Error; depth++) {
    if ('code' in reason && typeof reason.code === 'string') code = reason.code;
    reason = reason.cause;
  }
  return code ?? error.rawMessage;
}
