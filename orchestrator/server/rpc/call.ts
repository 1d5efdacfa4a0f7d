/** What every RPC shares: the caller's identity, and problems as Connect errors with an ErrorDetail. */
import { Code, ConnectError, encodeBinaryHeader, type HandlerContext } from '@connectrpc/connect';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError, problem } from '#common/problem.ts';
import { grpcCodes, problemCodes } from '#common/problem-codes.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import type { Scope } from '../../core/records.ts';
import { FencedError } from '../../fleet/fleet.ts';
import { type Identity, requireScope, type TokenBook } from '../auth.ts';
import { toProblem } from '../failures.ts';

export interface CallDeps {
  readonly tokens: TokenBook;
  readonly logger: Logger;
}

export function toConnectError(problem: Problem): ConnectError {
  // Connect's codes are gRPC's numbers.
  const code: Code = grpcCodes[problemCodes[problem.code].grpc];
  const detail = problemToProto(problem);
  // The same detail once more as a trailer of its own: without the googleapis packages a foreign client has no easy way
  // to unpack google.rpc.Status.
  const trailer = { 'botrunner-error-bin': encodeBinaryHeader(detail, ErrorDetailSchema) };
  return new ConnectError(problem.message, code, trailer, [{ desc: ErrorDetailSchema, value: detail }]);
}

function toError(error: unknown, context: HandlerContext, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof FencedError) return new ConnectError(error.message, Code.Aborted);
  // What fails after the caller has gone is the consequence, not a bug.
  if (context.signal.aborted)
    return new ConnectError('the caller has gone', Code.Canceled, undefined, undefined, error);
  return toConnectError(toProblem(error, logger));
}

const identify = (deps: CallDeps, context: HandlerContext, scope: Scope): Identity =>
  requireScope(
    deps.tokens.identify((name) => context.requestHeader.get(name)),
    scope,
  );

/** A call with one answer. */
export function call<In, Out>(
  deps: CallDeps,
  scope: Scope,
  handle: (request: In, identity: Identity, context: HandlerContext) => Promise<Out> | Out,
): (request: In, context: HandlerContext) => Promise<Out> {
  return async (request, context) => {
    try {
      return await handle(request, identify(deps, context, scope), context);
    } catch (error) {
      throw toError(error, context, deps.logger);
    }
  };
}

/** A call that is answered with a stream. It ends when its token is revoked. */
export function stream<In, Out>(
  deps: CallDeps,
  scope: Scope,
  handle: (request: In, identity: Identity, context: HandlerContext) => AsyncIterable<Out>,
): (request: In, context: HandlerContext) => AsyncGenerator<Out> {
  return async function* (request, context) {
    try {
      const identity = identify(deps, context, scope);
      yield* untilRevoked(handle(request, identity, context), identity.revoked);
    } catch (error) {
      throw toError(error, context, deps.logger);
    }
  };
}

/** The same values; throws UNAUTHENTICATED as soon as the signal aborts, without waiting for the next one. */
async function* untilRevoked<T>(values: AsyncIterable<T>, revoked: AbortSignal): AsyncGenerator<T> {
  // One promise for each value: a race against one that lives as long as the call would leave something of itself there
  // with every value.
  let fail: (reason: unknown) => void = () => undefined;
  const refusal = () => new ProblemError(problem('UNAUTHENTICATED', 'The token was revoked.'));
  const onRevoked = () => fail(refusal());
  revoked.addEventListener('abort', onRevoked, { once: true });
  const iterator = values[Symbol.asyncIterator]();
  try {
    for (;;) {
      if (revoked.aborted) throw refusal();
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        fail = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    revoked.removeEventListener('abort', onRevoked);
    // Not awaited: a source that waits for its next value would never come to its end; the call's own signal ends it.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
