/**
 * A call that is cut short says so: by its deadline, by the end of the program, by the end of its token, or by its caller.
 * Otherwise a stream that was cut reads like one that is complete. Whatever an implementation does when its signal aborts, this is what its caller
 * sees, and it sees it at once.
 */

import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { inBackground } from '#common/background.ts';
import { problem } from '#common/problem.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { identityKey } from './access.ts';
import { toConnectError } from './connect-error.ts';

/** The reason to abort with when the program ends. */
export const stoppingError = (): ConnectError =>
  toConnectError(problem('UNAVAILABLE', 'The orchestrator is stopping.', { hint: 'Call again in a few seconds.' }));

export const endOfDeadline = (): ConnectError =>
  toConnectError(
    problem('DEADLINE_EXCEEDED', 'The call did not finish before its deadline.', {
      hint: 'Call again with a later deadline, or none; a stream continues from the place that its last message named.',
    }),
  );

export const endOfToken = (): ConnectError => toConnectError(problem('UNAUTHENTICATED', 'The token was revoked.'));

/** What an aborted call ends with. */
export function endOfAborted({ reason }: AbortSignal): ConnectError {
  if (!(reason instanceof ConnectError)) return new ConnectError('the caller is gone', Code.Canceled);
  return reason.code === Code.DeadlineExceeded ? endOfDeadline() : reason;
}

/** Something that ends a call before its time. */
interface End {
  readonly signal: AbortSignal;
  readonly error: () => ConnectError;
}

export const endOfCall = (signal: AbortSignal): End => ({ signal, error: () => endOfAborted(signal) });

export const cutShort: Interceptor = (next) => async (request) => {
  if (!request.stream) return next(request);
  const identity = request.contextValues.get(identityKey);
  const ends = [
    ...(identity === undefined ? [] : [{ signal: identity.revoked, error: endOfToken }]),
    endOfCall(request.signal),
  ];
  const response = await beforeEnd(next(request), ends);
  // A call that is answered with one message is a stream in its request alone.
  return response.stream ? { ...response, message: untilEnd(response.message, ends) } : response;
};

/** The same, or a rejection as soon as one of the ends is there. */
async function beforeEnd<T>(wanted: Promise<T>, ends: readonly End[]): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const letGo = ends.map(({ signal, error }) => onAbort(signal, () => reject(error())));
  wanted.then(resolve, reject);
  try {
    return await promise;
  } catch (error) {
    // It may fail because of the end before the end is noticed here.
    throw ends.find(({ signal }) => signal.aborted)?.error() ?? error;
  } finally {
    for (const release of letGo) release();
  }
}

/** The same values; throws as soon as one of the ends is there, without waiting for the next value. */
export async function* untilEnd<T>(values: AsyncIterable<T>, ends: readonly End[]): AsyncGenerator<T> {
  const iterator = values[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await beforeEnd(iterator.next(), ends);
      // An implementation may mistake an abort for its own end.
      const end = ends.find(({ signal }) => signal.aborted);
      if (next.done && end !== undefined) throw end.error();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a source that waits for its next value would never come to its end; the call's own signal ends it.
    inBackground(Promise.resolve(iterator.return?.()), () => undefined);
  }
}
