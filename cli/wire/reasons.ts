/** What the errors of Node.js's network mean for a call. */
import { Code, ConnectError } from '@connectrpc/connect';

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Whether the other side speaks, but not HTTP/1.1. Nothing has been processed as a call then. */
export const isOtherProtocol = (error: unknown): boolean =>
  codeOf(error).startsWith('HPE_') || codeOf(error) === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';

/** Nobody is there: the call was not made. */
const absent: readonly string[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
];
/** The connection broke: the call may have been made. */
const broken: readonly string[] = ['ECONNRESET', 'EPIPE', 'ECONNABORTED'];

/** As connect-node classes them, with the error as its cause. */
export function reasonError(error: unknown): ConnectError {
  const code = codeOf(error);
  const kind = absent.includes(code) ? Code.Unavailable : broken.includes(code) ? Code.Aborted : Code.Internal;
  const wrapped = new ConnectError(error instanceof Error ? error.message : String(error), kind);
  wrapped.cause = error;
  return wrapped;
}
