/** What every RPC shares: the caller's identity, and problems as Connect errors with an ErrorDetail. */
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import type { Logger } from '#common/log.ts';
import type { Scope } from '../../core/records.ts';
import { FencedError } from '../../fleet/fleet.ts';
import { type Identity, requireScope, type TokenBook } from '../auth.ts';
import { toProblem } from '../failures.ts';
import { identityOf } from './access.ts';
import { toConnectError } from './connect-error.ts';
import { endOfAborted } from './cut-short.ts';

export interface CallDeps {
  readonly tokens: TokenBook;
  readonly logger: Logger;
}

/** What a call ends with when its implementation throws; `signal` is the call's own. */
export function toError(error: unknown, signal: AbortSignal, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof FencedError) return new ConnectError(error.message, Code.Aborted);
  // What fails after the call was cut short is the consequence, not a bug.
  if (signal.aborted) return endOfAborted(signal);
  return toConnectError(toProblem(error, logger));
}

/** Who calls; refuses those that may not. */
export const identify = (context: HandlerContext, scope: Scope): Identity =>
  requireScope(identityOf(context.values), scope);

/** A call with one answer. */
export function call<In, Out>(
  deps: CallDeps,
  scope: Scope,
  handle: (request: In, identity: Identity, context: HandlerContext) => Promise<Out> | Out,
): (request: In, context: HandlerContext) => Promise<Out> {
  return async (request, context) => {
    try {
      return await handle(request, identify(context, scope), context);
    } catch (error) {
      throw toError(error, context.signal, deps.logger);
    }
  };
}

/** A call that is answered with a stream. */
export function stream<In, Out>(
  deps: CallDeps,
  scope: Scope,
  handle: (request: In, identity: Identity, context: HandlerContext) => AsyncIterable<Out>,
): (request: In, context: HandlerContext) => AsyncGenerator<Out> {
  return async function* (request, context) {
    try {
      yield* handle(request, identify(context, scope), context);
    } catch (error) {
      throw toError(error, context.signal, deps.logger);
    }
  };
}

/** A stream that sends nothing and ends with `over`. */
export const silentUntil = (over: Promise<void>): AsyncIterable<never> => ({
  [Symbol.asyncIterator]: () => ({ next: () => over.then(() => ({ done: true as const, value: undefined })) }),
});
