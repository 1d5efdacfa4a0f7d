/** Problems as Connect errors with an ErrorDetail. */
import { type Code, ConnectError, encodeBinaryHeader } from '@connectrpc/connect';
import type { Problem } from '#common/problem.ts';
import { grpcCodes, problemCodes } from '#common/problem-codes.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';

/** `code`: instead of the problem's own. */
export function toConnectError(problem: Problem, code?: Code, headers: Record<string, string> = {}): ConnectError {
  // Connect's codes are gRPC's numbers.
  const own: Code = grpcCodes[problemCodes[problem.code].grpc];
  const detail = problemToProto(problem);
  // The same detail once more as a trailer of its own: without the googleapis packages a foreign client has no easy way
  // to unpack google.rpc.Status.
  const { retry_after: retryAfter } = problem.details;
  const after = typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter) } : {};
  const trailer = { ...headers, ...after, 'botrunner-error-bin': encodeBinaryHeader(detail, ErrorDetailSchema) };
  return new ConnectError(problem.message, code ?? own, trailer, [{ desc: ErrorDetailSchema, value: detail }]);
}

/** True when the error is one of ours, which says what to do. */
export const hasDetail = (error: ConnectError): boolean => error.findDetails(ErrorDetailSchema).length > 0;
