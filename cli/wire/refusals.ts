/** Refusals of the orchestrator, and an orchestrator that cannot be reached, as complaints. */
import { Code, ConnectError } from '@connectrpc/connect';
import { type ConnectionFailure, connectionFailureOf, describeConnectionFailure } from '#common/connection-failure.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import { trimEnd } from '#common/trim-end.ts';
import { type ErrorDetail, ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type Complaint, complain, complaintOfProblem } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { speaksTls } from './speaks-tls.ts';

/** A failed job's error, or a refusal, as the orchestrator reported it. */
export function complaintOfDetail(detail: ErrorDetail): Complaint {
  const known = problemFromProto(detail);
  // A code that is newer than this program is shown as it came.
  return { ...complaintOfProblem(known), code: detail.code || known.code };
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

/** What a call threw, as a complaint; undefined for a bug, which has no cure to offer. */
export async function complaintOfCall(error: unknown, url: string): Promise<Complaint | undefined> {
  if (!(error instanceof ConnectError)) return undefined;
  const detail = detailOf(error);
  // This program asks for nothing but what every orchestrator has: the path in front of it is wrong, or the release.
  const elsewhere = detail?.code === 'ROUTE_NOT_FOUND' || detail?.code === 'METHOD_NOT_ALLOWED';
  if (detail !== undefined && !elsewhere) return complaintOfDetail(detail);
  const failure = connectionFailureOf(error);
  const wantsTls = failure === 'closed' && url.startsWith('http:') && (await speaksTls(url));
  return complaintOfWire(error, wantsTls ? 'needs-tls' : failure, url);
}

/** An error without our detail: the network failed, or what answered is not a Bot Runner orchestrator. */
function complaintOfWire(error: ConnectError, failure: ConnectionFailure | undefined, url: string): Complaint {
  const one = (exitCode: ExitCode, code: string, message: string, hint: string): Complaint =>
    complain(exitCode, code, message, hint).complaint;
  const other = (): Complaint =>
    one(
      exitCodes.unreachable,
      'UNREACHABLE',
      `${url} did not respond like a Bot Runner orchestrator${inBrackets(networkReason(error))}.`,
      addressHint(url),
    );
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
        `${url} did not respond in time.`,
        'Check the network, and that the orchestrator is running.',
      );
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Internal: {
      // Its code also says that nobody listens, or that the connection broke.
      if (failure !== undefined && failure !== 'refused' && failure !== 'closed') {
        const words = describeConnectionFailure(failure, { url, setting: 'AVTOMATIKA_URL' });
        return one(
          exitCodes.unreachable,
          'UNREACHABLE',
          `The orchestrator at ${url} cannot be reached: ${words.sentence}.`,
          words.cure,
        );
      }
      if (error.code === Code.Internal) return other();
      return one(
        exitCodes.unreachable,
        'UNREACHABLE',
        `The orchestrator at ${url} cannot be reached (${networkReason(error)}).`,
        'Start it with "npm start", or set AVTOMATIKA_URL or --url to its address.',
      );
    }
    default:
      return other();
  }
}

const inBrackets = (reason: string): string => (reason === '' ? '' : ` (${reason})`);

/** A proxy may serve the orchestrator below a path; more often the path is simply a mistake. */
function addressHint(url: string): string {
  const { origin, pathname } = new URL(url);
  const bare = trimEnd(pathname, '/') === '' ? '' : ` An orchestrator has no path of its own: try ${origin}.`;
  return `Check AVTOMATIKA_URL or --url.${bare}`;
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
