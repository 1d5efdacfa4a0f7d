/** How an attempt to have a session ended, by what the orchestrator answered. */
import { httpStatusOf, refusalOf, status } from './channel.ts';

export type SessionEnd =
  /** The orchestrator does not take this worker as it is: a wrong token, id or version. */
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string; readonly tokenWrong: boolean }
  /** The orchestrator does not know the credential: it has to be made known first. */
  | { readonly kind: 'unknown' }
  /** This worker must not obey that orchestrator. */
  | { readonly kind: 'disobeyed'; readonly message: string }
  /** A newer session of the same worker id has begun. */
  | { readonly kind: 'fenced' }
  | { readonly kind: 'lost'; readonly message: string; readonly welcomed: boolean };

/** How a call of grpc-js ended; its errors have the same fields. */
type CallEnd = Parameters<typeof refusalOf>[0] & { readonly code: number; readonly details: string };

/** The end of a Join, which uses the join token, or of a session, which uses the credential. */
export function sessionEndOf(call: CallEnd, of: 'join' | 'session', welcomed = false): SessionEnd {
  const lost: SessionEnd = { kind: 'lost', message: call.details || status[call.code] || 'no answer', welcomed };
  // The answer did not come from an orchestrator, whatever grpc-js makes of it.
  if (httpStatusOf(call) !== undefined) return lost;
  switch (call.code) {
    case status.UNAUTHENTICATED:
      return of === 'join' ? { kind: 'refused', ...refusalOf(call), tokenWrong: true } : { kind: 'unknown' };
    case status.PERMISSION_DENIED:
    case status.INVALID_ARGUMENT:
    case status.UNIMPLEMENTED:
      return { kind: 'refused', ...refusalOf(call), tokenWrong: false };
    case status.ABORTED:
      return of === 'join' ? lost : { kind: 'fenced' };
    default:
      return lost;
  }
}
