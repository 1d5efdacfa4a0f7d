/**
 * Errors of the system that pass on their own, by their codes: https://nodejs.org/api/errors.html. An error in neither
 * table is a bug of ours until somebody explains it. Pure.
 */

/** Failures of this machine that end: what they are called in a sentence. By the code of Node's system errors. */
const machine: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk of the worker is full',
  EDQUOT: 'the disk quota of the worker is used up',
  EROFS: 'the disk of the worker is not writable',
  EIO: 'the disk of the worker has a fault',
  EMFILE: 'the worker has too many files open',
  ENFILE: 'the machine of the worker has too many files open',
  ENOMEM: 'the machine of the worker is out of memory',
  EAGAIN: 'the machine of the worker cannot start another process now',
  EBUSY: 'a file of the worker is in use',
  ETXTBSY: 'a file of the worker is in use',
};

/** A connection that ended before what it carried did; of whatever kind of stream. */
const connections: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ECANCELED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTCONN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_GOAWAY_SESSION',
]);

/** Whether the code is about this machine, and not about a connection to another one. */
export const isMachineFailure = (code: string): boolean => Object.hasOwn(machine, code);

/** Why an otherwise unexplained error is transient, for people; undefined for everything else. */
export function transientSystemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (isMachineFailure(error.code)) return machine[error.code];
  return connections.has(error.code) ? 'a connection of the worker was cut' : undefined;
}
